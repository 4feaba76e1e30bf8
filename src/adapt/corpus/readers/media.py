"""Images, sounds, videos and other files that belong to a record: what is said of them cannot be learned from the text alone."""

import math
import re
from collections.abc import Iterable
from typing import Any, NamedTuple

KINDS = {"image": "an image", "audio": "a sound", "video": "a video", "file": "a file"}
"""Kinds of media, with an article."""
_KEYS = {
    "image": """
        image, images, img, imgs, image_url, image_urls, image_path, image_paths, image_file, image_files, input_image, picture, pictures,
        image_base64, image_base64_str, 图片, 图像
    """,
    "audio": "audio, audios, audio_url, audio_urls, audio_path, audio_paths, audio_file, input_audio, sound, speech_url, 音频",
    "video": "video, videos, video_url, video_urls, video_path, video_paths, video_file, input_video, 视频",
    "file": "file, input_file, document, file_url",
}
_KIND_OF = {key.strip(): kind for kind, keys in _KEYS.items() for key in keys.split(",")}
_SIGNS = {
    "image": re.compile(r"<\|?(?:image|img|picture|imagehere)(?:[ _]?(?:pad|token|start|placeholder|here|\d{1,3}))?\|?>|\[IMG\]|\[image\]", re.I),
    "audio": re.compile(r"<\|?(?:audio|sound|speech|audio_bos)(?:[ _]?(?:pad|token|start|here|\d{1,3}))?\|?>|\[audio\]", re.I),
    "video": re.compile(r"<\|?video(?:[ _]?(?:pad|token|start|here|\d{1,3}))?\|?>|\[video\]", re.I),
}
"""Where media stand in a text, as templates of models and data sets write it."""
_ENDINGS = {
    "image": "jpe?g|png|gif|webp|bmp|tiff?|svg|heic",
    "audio": "wav|mp3|flac|ogg|m4a|opus|aac",
    "video": "mp4|avi|mov|mkv|webm",
}
_FILE = {kind: re.compile(rf"\S.*\.(?:{endings})(?:\?\S*)?", re.I) for kind, endings in _ENDINGS.items()}
_TAGGED = re.compile(rf"<(img|audio|video)>[^<>\n]{{1,500}}\.(?:{'|'.join(_ENDINGS.values())})</\1>", re.I)
_OF_TAG = {"img": "image", "audio": "audio", "video": "video"}
_ADDRESS = re.compile(r"(?:https?|s3|gs|file)://\S+|data:(?:image|audio|video)/\S*", re.I)
_BASE64 = re.compile(r"[A-Za-z0-9+/]{200,}={0,2}")


class Column(NamedTuple):
    """A field of a record that holds media."""

    kind: str
    key: str


def kind_of_key(key: Any) -> str | None:
    """The kind of media that a key, or the type of a part, stands for; None for any other."""
    return _KIND_OF.get(key) or _KIND_OF.get(key.casefold()) if isinstance(key, str) else None


def media_columns(keys: Iterable[str]) -> tuple[Column, ...]:
    """The fields of a record that media stand in; files of other kinds say nothing about the text beside them."""
    return tuple(Column(kind, key) for key in keys if (kind := kind_of_key(key)) and kind != "file")


def kind_of_tag(text: str) -> str | None:
    """The kind of a file that a text holds in tags, as Qwen-VL has `<img>a.jpg</img>`; None where there is none."""
    found = _TAGGED.search(text) if "</" in text else None
    return _OF_TAG[found[1].casefold()] if found else None


def needed(columns: Iterable[Column], record: dict[str, Any], texts: Iterable[str], *, running: bool) -> str | None:
    """The kind of media without which a record cannot be read; None where it is whole.

    A placeholder in a text counts where a field for media has something, or where it stands on a line of its own. Without one, what the field
    has must be media by its form; beside `running` text they are an illustration.
    """
    texts = tuple(texts)
    for kind, key in columns:
        value = record.get(key)
        filled = not is_empty(value)
        signs = _SIGNS[kind]
        for text in texts:
            if filled and signs.search(text):
                return kind
            if any(signs.fullmatch(line.strip()) for line in text.split("\n")):
                return kind
        if filled and not running and _is_media(value, kind):
            return kind
    return None


def is_empty(value: Any) -> bool:
    """Whether a value holds nothing: null, an empty text, list or object, or nothing but such in it."""
    if isinstance(value, str):
        return value.strip().casefold() in ("", "[]", "{}", "null", "none", "nan")
    if isinstance(value, dict):
        return all(map(is_empty, value.values()))
    if isinstance(value, list | tuple):
        return all(map(is_empty, value))
    return value is None or value is False or (isinstance(value, float) and math.isnan(value))


def _is_media(value: Any, kind: str) -> bool:
    if isinstance(value, list | tuple):
        return any(_is_media(item, kind) for item in value)
    if isinstance(value, dict):
        return any(key in value for key in ("bytes", "path", "url", "array", "src"))
    if isinstance(value, bytes):
        return bool(value)
    return isinstance(value, str) and bool(_FILE[kind].fullmatch(value.strip()) or _ADDRESS.fullmatch(value.strip()) or _BASE64.match(value))
