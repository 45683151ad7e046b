"""What an administrator does in one window is felt in another at once: money, access, a new password, codes."""

import re
from pathlib import Path

import openai
import pytest
from conftest import Come
from house import House
from test_first_visit import ECHOED, SCRIPTS, answer
from visitor import Visitor

NEW = "battery staple correct"


def find(admin: Visitor, email: str) -> None:
    """Look for an account by the beginning of its address, and open it."""
    admin.open("/admin/accounts")
    admin.fill(q=email.partition("@")[0])
    admin.press("Find")
    admin.page.locator("main").get_by_role("link", name=email).click()
    admin.page.get_by_role("heading", name=email, level=1).wait_for()


@SCRIPTS
def test_an_account_is_credited_and_disabled(come: Come, house: House, settled: Path, scripts: bool) -> None:
    """Its owner sees the money; once disabled, the SDK is refused with 403, and answered again when enabled."""
    person, email = come(java_script_enabled=scripts), f"guest-{scripts}@example.com".lower()
    person.register(email)
    key = person.make_key("Laptop")
    admin = come(storage_state=settled, java_script_enabled=scripts)
    find(admin, email)
    admin.fill(amount="2.5x", memo="Invoice 7")
    admin.press("Move the money")
    admin.sees("An amount in USD, such as 5 or 0.25.")
    admin.troubles.clear()  # the browser writes down each answer of 4xx
    admin.fill(amount="2.50")
    admin.press("Move the money")
    admin.sees("The money is there.")
    admin.shoot("admin-account-credited")
    person.open("/dashboard")
    person.sees("$3.50")
    assert answer(house, key) == ECHOED
    admin.press("Disable")
    admin.sees("The account is disabled")
    with pytest.raises(openai.PermissionDeniedError):
        answer(house, key)
    person.open("/dashboard")
    assert person.path.startswith("/login")
    admin.press("Enable")
    admin.sees("The account is enabled")
    assert answer(house, key) == ECHOED


@SCRIPTS
def test_a_forgotten_password_is_chosen_again(come: Come, settled: Path, scripts: bool) -> None:
    """The administrator sends a link; its bearer is in, and nobody learned the password."""
    admin = come(storage_state=settled, java_script_enabled=scripts)
    email = f"invited-{scripts}@example.com".lower()
    admin.open("/admin/accounts/new")
    admin.fill(email=email, credit="1")
    admin.shoot("admin-account-new")
    admin.press("Make the account")
    admin.sees("Copy the link now")
    admin.shoot("admin-link")
    link = admin.page.locator("[data-copy]").inner_text()
    person = come(java_script_enabled=scripts)
    assert person.open(link) == 200
    person.shoot("password-link")
    person.fill(password=NEW)
    person.press("Choose this password")
    assert person.path == "/dashboard"
    assert person.open(link) == 403
    person.troubles.clear()


@SCRIPTS
def test_codes_are_made_shown_once_and_withdrawn(come: Come, settled: Path, scripts: bool) -> None:
    """What was made by mistake gives nothing; and the log says who did it."""
    admin = come(storage_state=settled, java_script_enabled=scripts)
    memo = f"Mistake {scripts}"
    admin.open("/admin/codes")
    admin.fill(amount="5", count="3", memo=memo)
    admin.press("Make them")
    admin.sees("3 codes, worth $5.00 each")
    admin.shoot("admin-codes-shown")
    codes = admin.page.locator("[data-copy]").inner_text().split()
    assert all(re.fullmatch(r"haze(-\w{4}){5}", code) for code in codes)
    admin.page.get_by_role("link", name="I have copied them").click()
    assert not any(code in admin.page.content() for code in codes)
    row = admin.page.locator("tr", has_text=codes[0][:9])
    row.get_by_role("button").click()
    admin.sees("The code is withdrawn")
    assert "expired" in admin.page.locator("tr", has_text=codes[0][:9]).inner_text()
    admin.open("/admin/audit?act=code.withdraw")
    admin.sees(codes[0][:9])
