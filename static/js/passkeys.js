// Passkeys: asks the browser for one and gives its answer to the server. This is the one thing that needs scripts.
const bytes = (text) => Uint8Array.from(atob(text.replace(/-/g, "+").replace(/_/g, "/")), (c) => c.charCodeAt(0));
const text = (buffer) => btoa(String.fromCharCode(...new Uint8Array(buffer))).replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");

function decoded(options) {
  const known = { ...options, challenge: bytes(options.challenge) };
  if (options.user) known.user = { ...options.user, id: bytes(options.user.id) };
  for (const list of ["excludeCredentials", "allowCredentials"]) {
    if (options[list]) known[list] = options[list].map((one) => ({ ...one, id: bytes(one.id) }));
  }
  return known;
}

function encoded(credential) {
  const { response } = credential;
  const told = { clientDataJSON: text(response.clientDataJSON) };
  for (const part of ["attestationObject", "authenticatorData", "signature", "userHandle"]) {
    if (response[part]) told[part] = text(response[part]);
  }
  if (response.getTransports) told.transports = response.getTransports();
  return {
    id: credential.id, rawId: text(credential.rawId), type: credential.type, response: told,
    authenticatorAttachment: credential.authenticatorAttachment,
    clientExtensionResults: credential.getClientExtensionResults(),
  };
}

async function ask(address, token, body) {
  const answer = await fetch(address, {
    method: "POST", body, headers: { "X-CSRFToken": token, "Content-Type": "application/json" },
  });
  return [answer.ok, await answer.json()];
}

export async function assertion(options) {
  return encoded(await navigator.credentials.get({ publicKey: decoded(options) }));
}

// Signs what the form shows, and sends the form with what the passkey said.
async function sign(place) {
  const form = place.closest("form");
  const answer = await fetch(place.dataset.begin, { method: "POST", body: new FormData(form) });
  const options = await answer.json();
  if (!answer.ok) return options;
  form.elements.passkey.value = JSON.stringify(await assertion(options));
  form.requestSubmit();
  return { sent: true };
}

async function run(place) {
  if (place.dataset.passkey === "sign") return sign(place);
  const { begin, finish } = place.dataset;
  const token = document.querySelector("[name=csrfmiddlewaretoken]").value;  // the language form has one
  const [may, options] = await ask(begin, token, "{}");
  if (!may) return options;
  if (place.dataset.passkey === "sign-in") {
    return (await ask(finish, token, JSON.stringify(await assertion(options))))[1];
  }
  const made = encoded(await navigator.credentials.create({ publicKey: decoded(options) }));
  const name = place.querySelector("input").value.trim();
  return (await ask(`${finish}?name=${encodeURIComponent(name)}`, token, JSON.stringify(made)))[1];
}

export function passkeys() {
  if (!window.PublicKeyCredential) return;
  for (const note of document.querySelectorAll("[data-no-passkeys]")) note.hidden = true;
  for (const place of document.querySelectorAll("[data-passkey]")) {
    place.hidden = false;
    const button = place.querySelector("button"), fault = place.querySelector("[role=alert]");
    button.addEventListener("click", async () => {
      fault.hidden = true;
      button.disabled = true;
      try {
        const answer = await run(place);
        if (answer.sent) return;
        if (answer.to) return void location.assign(answer.to);
        fault.textContent = answer.told || place.dataset.failed;
      } catch (error) {
        const there = error.name === "InvalidStateError" && place.dataset.there;  // WebAuthn: it has one
        fault.textContent = there || place.dataset.failed;
      }
      button.disabled = false;
      fault.hidden = false;
    });
  }
}
