"""Addresses of outgoing payments."""

from django.urls import path

from payments.views import (
    changing,
    checking,
    detail,
    drafting,
    ending,
    overview,
    rejecting,
    signing,
)

app_name = "payments"
urlpatterns = [
    path("outgoing/", overview.index, name="list"),
    path("approve/", overview.approve, name="approve"),
    path("outgoing/update/", overview.update_now, name="update"),
    path("outgoing/sign/", signing.sign, name="sign"),
    path("outgoing/sign/<str:kept>/", signing.sign_page, name="sign-page"),
    path("outgoing/sign/<str:kept>/passkey/", signing.passkey, name="sign-passkey"),
    path("outgoing/refuse/", ending.refuse, name="refuse"),
    path("outgoing/refuse/<str:kept>/", ending.refuse_page, name="refuse-page"),
    path("outgoing/cancel/", ending.cancel, name="cancel"),
    path("outgoing/cancel/<str:kept>/", ending.cancel_page, name="cancel-page"),
    path("outgoing/ask-bank/", ending.ask_bank, name="ask-bank"),
    path("outgoing/ask-bank/<str:kept>/", ending.ask_bank_page, name="ask-bank-page"),
    path("outgoing/receipts/<int:ceremony>/", signing.receipt, name="receipt"),
    path("outgoing/new/", drafting.new, name="new"),
    path("outgoing/drafts/", drafting.begin, name="draft-begin"),
    path("outgoing/drafts/<str:draft>/", drafting.draft, name="draft"),
    path("outgoing/drafts/<str:draft>/discard/", drafting.discard, name="draft-discard"),
    path("outgoing/bring-in/", drafting.bring_in, name="bring-in"),
    path("outgoing/uploads/<int:upload>/", drafting.upload, name="upload"),
    path("outgoing/<int:payment>/correct/", drafting.correct, name="correct"),
    path("outgoing/<int:payment>/", detail.one, name="detail"),
    path("outgoing/<int:payment>/lines/", detail.lines, name="lines"),
    path("outgoing/<int:payment>/withdraw/", changing.withdraw, name="withdraw"),
    path("outgoing/<int:payment>/note/", changing.note, name="note"),
    path("outgoing/<int:payment>/due-date/", changing.due_date, name="due-date"),
    path("outgoing/<int:payment>/agreement/", changing.agreement, name="move-agreement"),
    path("rejections/", rejecting.rejections, name="rejections"),
    path("checks/", checking.checks, name="checks"),
    path("checks/<int:finding>/pass/", checking.let_pass, name="let-pass"),
    path("outgoing/<int:payment>/send-again/", detail.send_again, name="send-again"),
]
