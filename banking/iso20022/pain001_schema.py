"""The official pain.001 schemas, fitted to validate one part at a time, and their faults in words.

lxml reports schema faults of a streamed file only at its end and without a line, and its log of
them has no bound. So the official XSD is given a global element for each part: each part is then
validated as it arrives, which is as fast and knows its place. It walks no files.
"""

import copy
import re
from importlib import resources

from lxml import etree

from banking.located import Place, Unreadable

VERSIONS = ("03", "09")
NAMESPACE = "urn:iso:std:iso:20022:tech:xsd:pain.001.001."
_XSD = "{http://www.w3.org/2001/XMLSchema}"
_EXPECTED = re.compile(r"Expected is (?:one of )?\( (.*?) \)")
_QUOTED = re.compile(r"^'([^']*)'|\[facet '(\w+)'\] The value '([^']*)'|The attribute '([^']*)'")
_BRACED = re.compile(r"\{[^}]*\}")


def namespace_of(version: str) -> str:
    """The namespace of pain.001.001.<version>; version is "03" or "09"."""
    if version not in VERSIONS:
        raise ValueError(f"pain.001.001.{version} is not written or read here")
    return NAMESPACE + version


def schema_of(version: str) -> etree.XMLSchema:
    """The official XSD (from the sepaxml package) with each part as a global element.

    A new object each time (2 ms): its error log must not be shared between threads.
    """
    file = resources.files("sepaxml") / "schemas" / f"pain.001.001.{version}.xsd"
    root = etree.fromstring(file.read_bytes())
    parts: dict[str, str] = {}
    for kind in list(root.iter(f"{_XSD}complexType")):
        for child in list(kind.iter(f"{_XSD}element")):
            name = child.get("name", "")
            if name in ("GrpHdr", "CdtTrfTxInf", "SplmtryData"):
                parts[name] = child.get("type", "")
            if name == "CdtTrfTxInf":
                _add_head(root, kind)
    for name, type_name in parts.items():
        etree.SubElement(root, f"{_XSD}element", {"name": name, "type": type_name})
    return etree.XMLSchema(root)


def _add_head(root: etree._Element, kind: etree._Element) -> None:
    """Declares PmtInf as its type without the transfers."""
    head = copy.deepcopy(kind)
    head.set("name", "PaymentHead")
    for element in list(head.iter(f"{_XSD}element")):
        if element.get("name") == "CdtTrfTxInf":
            parent = element.getparent()
            assert parent is not None
            parent.remove(element)
    root.append(head)
    etree.SubElement(root, f"{_XSD}element", {"name": "PmtInf", "type": "PaymentHead"})


def missing_fault(*, element: str, missing: str, place: Place) -> Unreadable:
    """The fault of an element that lacks a child; params as in schema_fault."""
    return Unreadable(
        code="schema",
        problem=f"{element} is not complete: {missing} is missing.",
        cure=f"Add {missing}.",
        place=place,
        params={"fault": "missing", "element": element, "expected": missing, "value": ""},
    )


def schema_fault(*, message: str, place: Place) -> Unreadable:
    """A libxml2 schema message as a fault that people understand.

    params: fault (missing, unexpected, value, attribute, text), element, expected, value.
    """
    plain = _BRACED.sub("", message)
    named = re.match(r"Element '([^']*)'(?:, attribute '([^']*)')?: (.*)", plain, re.DOTALL)
    element, attribute, said = named.groups() if named else ("", None, plain)
    found = _EXPECTED.search(said)
    expected = found[1] if found else ""
    if "Missing child element" in said:
        return missing_fault(element=element, missing=expected, place=place)
    quoted = _QUOTED.search(said)
    value = next((word for word in (quoted[1], quoted[3]) if word), "") if quoted else ""
    params = {"fault": "value", "element": element, "expected": expected, "value": value}
    if "This element is not expected" in said:
        params["fault"] = "unexpected"
        problem = f"{element} is not allowed here."
        cure = f"Here must stand {expected}." if expected else f"Remove or move {element}."
    elif "attribute" in said and quoted and quoted[4]:
        params["fault"] = "attribute"
        params["expected"] = quoted[4]
        problem = f"{element}: the attribute {quoted[4]} is missing or not allowed."
        cure = f"See to the attribute {quoted[4]} of {element}."
    elif "haracter content" in said:
        params["fault"] = "text"
        problem = f"{element} holds text where only elements may stand."
        cure = f"Remove the text from {element}."
    else:
        name = f"{element}/@{attribute}" if attribute else element
        problem = f"{name} has a value that is not allowed: {said.strip().rstrip('.')}."
        cure = f"Correct {name}."
    return Unreadable(code="schema", problem=problem, cure=cure, place=place, params=params)
