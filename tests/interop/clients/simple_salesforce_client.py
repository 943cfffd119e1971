"""simple-salesforce: logins by SOAP and OAuth, and records.

It speaks https to the hosts that it makes of a domain's name; here its connections end at the emulator, by an adapter
of its HTTP library, and nothing else of it is changed.
"""

import sys
from urllib.parse import urlsplit

from requests import Session
from requests.adapters import HTTPAdapter
from simple_salesforce import (
    Salesforce,
    SalesforceAuthenticationFailed,
    SalesforceExpiredSession,
    SalesforceMalformedRequest,
    SalesforceResourceNotFound,
    format_soql,
)

USER = {"username": "admin@example.com", "password": "password"}
APP = {"consumer_key": "emulator", "consumer_secret": "emulator-secret"}


class ToEmulator(HTTPAdapter):
    """Sends what is meant for any host to the emulator, by http."""

    def __init__(self, origin):
        super().__init__()
        self.origin = origin

    def send(self, request, **options):
        parts = urlsplit(request.url)
        request.url = parts._replace(scheme="http", netloc=urlsplit(self.origin).netloc).geturl()
        return super().send(request, **options)


def session(origin):
    made = Session()
    made.trust_env = False
    made.mount("https://", ToEmulator(origin))
    return made


def fails(error, call):
    """The error of this kind that a call raises."""
    try:
        call()
    except error as raised:
        return raised
    raise AssertionError(f"{error.__name__} is wanted")


def logins(origin):
    """The same user by every login; the last of them."""
    error = fails(
        SalesforceAuthenticationFailed,
        lambda: Salesforce(username=USER["username"], password="x", security_token="", session=session(origin)),
    )
    assert error.code == "INVALID_LOGIN", error
    soap = Salesforce(**USER, security_token="", session=session(origin))
    password = Salesforce(**USER, **APP, session=session(origin))
    client = Salesforce(**APP, domain="example.my", session=session(origin))
    found = [org.query("SELECT Id, Username FROM User")["records"] for org in (soap, password, client)]
    assert [user["Username"] for user in found[0]] == [USER["username"]], found
    assert found[0] == found[1] == found[2], found
    return soap


def records(org):
    made = org.Account.create({"Name": "Größe & \"Sons\"", "Industry": "Banking"})
    assert made["success"] and made["id"].startswith("001") and len(made["id"]) == 18, made
    assert org.Account.update(made["id"], {"Industry": "Energy"}) == 204
    kept = org.Account.get(made["id"])
    assert (kept["Name"], kept["Industry"]) == ("Größe & \"Sons\"", "Energy"), kept
    found = org.query(format_soql("SELECT Id FROM Account WHERE Name = {}", kept["Name"]))
    assert [one["Id"] for one in found["records"]] == [made["id"]], found
    error = fails(SalesforceMalformedRequest, lambda: org.Account.create({"Nothing__c": 1}))
    assert error.content[0]["errorCode"] == "INVALID_FIELD", error
    error = fails(SalesforceMalformedRequest, lambda: org.query("SELECT Nothing__c FROM Account"))
    assert error.content[0]["errorCode"] == "INVALID_FIELD", error
    assert org.Account.delete(made["id"]) == 204
    fails(SalesforceResourceNotFound, lambda: org.Account.get(made["id"]))
    assert any(field["name"] == "Industry" for field in org.Account.describe()["fields"])
    assert any(one["name"] == "PushTopic" for one in org.describe()["sobjects"])
    assert org.limits()["DailyStreamingApiEvents"]["Max"] > 0


def pages(org):
    """A query of more records than a page has."""
    for number in range(450):
        org.Contact.create({"LastName": f"{number:03}"})
    options = {"Sforce-Query-Options": "batchSize=200"}
    query = "SELECT LastName FROM Contact ORDER BY LastName"
    first = org.query(query, headers=options)
    assert (first["totalSize"], first["done"], len(first["records"])) == (450, False, 200), first
    names = [one["LastName"] for one in org.query_all_iter(query, headers=options)]
    assert names == [f"{number:03}" for number in range(450)], names


def ends(org, origin):
    """A token that was taken back is refused as an expired session."""
    Session().post(f"{origin}/services/oauth2/revoke", data={"token": org.session_id}).raise_for_status()
    org._refresh_session = None
    org._salesforce_login_partial = None
    error = fails(SalesforceExpiredSession, lambda: org.Account.describe())
    assert error.content[0]["errorCode"] == "INVALID_SESSION_ID", error


def main(origin):
    org = logins(origin)
    records(org)
    pages(org)
    ends(org, origin)
    print("good")


main(sys.argv[1])
