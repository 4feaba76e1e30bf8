"""Numbering plans: what libphonenumber's metadata says of a number."""


def e164(number: str, region: str | None) -> str | None:
    """The number with its country code when the metadata calls it valid; personal numbers (500-xxx-xxxx in America) are left out, no
    one writes them."""
    from phonenumbers import (
        NumberParseException,
        PhoneNumberFormat,
        PhoneNumberType,
        format_number,
        is_valid_number,
        number_type,
        parse,
    )

    try:
        parsed = parse(number.replace("\n", " ").replace("·", " "), region)
    except NumberParseException:
        return None
    if not is_valid_number(parsed) or number_type(parsed) == PhoneNumberType.PERSONAL_NUMBER:
        return None
    return str(format_number(parsed, PhoneNumberFormat.E164))


def is_mobile(number: str) -> bool:
    """Whether a valid number in E.164 belongs to mobile phones, or to no kind in particular."""
    from phonenumbers import PhoneNumberType, number_type, parse

    return number_type(parse(number, None)) == PhoneNumberType.MOBILE
