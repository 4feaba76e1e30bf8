"""Section `corpus.pii`: what becomes of personal data and secrets, kind by kind."""

from typing import Literal, Self, get_args

from pydantic import Field, model_validator

from adapt.spec.patterns import VARIABLE
from adapt.spec.section import Section

PiiKind = Literal[
    "email", "phone", "cn_id", "national_id", "travel_permit", "bank_card", "iban", "ip", "us_ssn", "passport",
    "plate", "postal_address", "secret", "person", "address",
]  # fmt: skip
"""Kinds that can be found; `person` and `address` need an engine of names."""
PiiPolicy = Literal["mask", "pseudonym", "drop", "allow"]


class Names(Section):
    """Names of persons and places, found by Microsoft Presidio; needs the extra `presidio` and spaCy models that are installed."""

    models: dict[str, str] = Field(default_factory=lambda: {"en": "en_core_web_sm", "zh": "zh_core_web_sm"})
    """spaCy model for each language."""
    min_score: float = Field(default=0.6, gt=0, le=1)
    """Least confidence of a finding."""


class Pii(Section):
    """`mask` puts a tag such as `[EMAIL]` in its place, `pseudonym` one that is the same wherever the datum stands; `drop` takes the document out."""

    email: PiiPolicy = "mask"
    """E-mail addresses."""
    phone: PiiPolicy = "mask"
    """Telephone numbers: international; American, British, Chinese home forms; those of others in their language or at a telling word."""
    cn_id: PiiPolicy = "mask"
    """Chinese resident identity numbers (GB 11643, MOD 11-2), also of residents from Hong Kong, Macau, Taiwan and abroad."""
    national_id: PiiPolicy = "mask"
    """Identity, tax and social numbers of other places, with right check digits: Hong Kong, Taiwan, and some thirty countries."""
    travel_permit: PiiPolicy = "mask"
    """Travel permits between the mainland, Hong Kong, Macau and Taiwan, where a word such as `回乡证` or `台胞证` stands beside them."""
    bank_card: PiiPolicy = "mask"
    """Bank card numbers (ISO/IEC 7812, Luhn)."""
    iban: PiiPolicy = "mask"
    """International bank account numbers (ISO 13616, MOD 97)."""
    ip: PiiPolicy = "allow"
    """IPv4 and IPv6 addresses of the public internet."""
    us_ssn: PiiPolicy = "mask"
    """American social security numbers."""
    passport: PiiPolicy = "mask"
    """Passport numbers, where a word such as `passport` or `护照` stands before them, and machine-readable zones."""
    plate: PiiPolicy = "mask"
    """Chinese number plates of vehicles."""
    postal_address: PiiPolicy = "mask"
    """Chinese postal addresses down to a house or a room."""
    secret: PiiPolicy = "mask"
    """Keys, tokens, passwords."""
    person: PiiPolicy = "allow"
    """Names of persons; anything but `allow` needs `names`."""
    address: PiiPolicy = "allow"
    """Places and addresses that an engine of names finds; anything but `allow` needs `names`."""
    names: Names | None = None
    """The engine that finds persons and addresses; null: none."""
    pseudonym_key: str | None = Field(default=None, pattern=VARIABLE)
    """Environment variable that holds the key of the pseudonyms, at least 16 characters; required by the policy `pseudonym`."""

    @model_validator(mode="after")
    def _has_what_its_policies_need(self) -> Self:
        policies = [getattr(self, kind) for kind in PII_KINDS]
        if "pseudonym" in policies and self.pseudonym_key is None:
            raise ValueError("the policy pseudonym needs pii.pseudonym_key, the name of an environment variable that holds a key")
        if self.names is None and (self.person != "allow" or self.address != "allow"):
            raise ValueError("person and address are found by an engine of names: set pii.names, or allow them")
        return self

    def policies(self) -> dict[PiiKind, PiiPolicy]:
        """The policy of every kind."""
        return {kind: getattr(self, kind) for kind in PII_KINDS}


PII_KINDS: tuple[PiiKind, ...] = get_args(PiiKind)
