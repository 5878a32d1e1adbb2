"""Values that readers stumble over, and mutations of bytes, text, JSON and protobuf messages.

All that is random comes from a `random.Random`: the same seed makes the same file again.
"""

from collections.abc import Callable, Sequence
from random import Random
from typing import Any

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message

INTEGERS = (
    *(-1, 0, 1, 2, 3, 5, 7, 8, 31, 32, 33, 64, 127, 128, 255, 256, 1000, 4095, 65_535, 65_536),
    *(10**6, 10**7, 2**31 - 1, 2**31, 2**32 - 1, 2**32, 10**12, 2**62, 2**63 - 1, -2, -7, -(10**6), -(2**31), -(2**63)),
)
FLOATS = (0.0, -0.0, 1.0, -1.0, 1e-45, 1e-12, 1e12, 3.5e38, float("inf"), float("-inf"), float("nan"))
TEXTS = (
    *("", " ", ".", "..", "/", "/etc/passwd", "../../etc/passwd", "/dev/zero", "a\nb", "a\0b", "\x1b[31m", "\u2028"),
    *("日本語", "\ud7ff\uffff", "-1", "NaN", "1e999", "%s{0}", "score", "cam", "class_index", "x", "y", "N"),
    *("n" * 5000, "../" * 300, "[" * 2000),
)
_BYTES = (b"", b"\0", b"\xff\xfe", b"\x80" * 9, b"\0" * 64, b"PK\x03\x04", b"A" * 4096)


def integer(random: Random) -> int:
    """Most often small: large ones are refused early, and hide what is behind them."""
    match random.randrange(4):
        case 0:
            return random.randrange(-3, 12)
        case 1:
            return random.choice(INTEGERS)
        case 2:
            return 2 ** random.randrange(64) + random.randrange(-1, 2)
    return random.randrange(0, 300)


# ---- bytes and text


def mutated_bytes(random: Random, data: bytes) -> bytes:
    """Some bits flipped, parts removed, doubled, moved, replaced by hostile ones, or the end cut off."""
    content = bytearray(data)
    for _ in range(random.choice((1, 1, 1, 2, 4, 16))):
        place = random.randrange(len(content) + 1)
        length = min(random.choice((1, 1, 2, 4, 8, 64, 1024)), len(content) - place)
        match random.randrange(8):
            case 0 | 1 if length:
                content[random.randrange(place, place + length)] ^= 1 << random.randrange(8)
            case 2:
                del content[place : place + length]
            case 3:
                content[place:place] = content[place : place + length]
            case 4:
                number = integer(random) % 2**64
                width = random.choice((1, 2, 4, 8))
                order = random.choice(("little", "big"))
                content[place : place + width] = (number % 256**width).to_bytes(width, order)  # type: ignore[arg-type]
            case 5:
                content[place : place + length] = random.choice(_BYTES)
            case 6:
                del content[random.randrange(len(content) + 1) :]
            case 7:
                content[place : place + length] = random.randbytes(length)
    return bytes(content)


def mutated_text(random: Random, text: str, separators: str) -> str:
    """As `mutated_bytes`, of what stands between separators."""
    parts = [""]
    for character in text:
        parts += [character, ""] if character in separators else []
        parts[-1] += "" if character in separators else character
    for _ in range(random.choice((1, 1, 2, 5))):
        place = random.randrange(len(parts))
        match random.randrange(6):
            case 0:
                parts[place] = random.choice(TEXTS)
            case 1:
                parts[place] = str(random.choice((integer(random), random.choice(FLOATS))))
            case 2:
                del parts[place]
            case 3:
                parts.insert(place, random.choice(parts))
            case 4:
                parts[place] = parts[random.randrange(len(parts))]
            case 5:
                parts[place] += random.choice((*separators, '"', "'", "\r", "\0", "\ufeff"))
        parts = parts or [""]
    return "".join(parts)


# ---- JSON


def mutated_json(random: Random, value: Any) -> Any:
    """A JSON value in which one place has changed; it may be shared with the original."""
    places = list(_places(value, ()))
    path = random.choice(places)
    if not path:
        return _hostile_json(random, value)
    return _replaced(random, value, path)


def _places(value: Any, path: tuple[Any, ...]) -> list[tuple[Any, ...]]:
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(place for key, each in inner for place in _places(each, (*path, key)))]


def _replaced(random: Random, value: Any, path: Sequence[Any]) -> Any:
    copy = dict(value) if isinstance(value, dict) else list(value)
    key, *rest = path
    if rest:
        copy[key] = _replaced(random, copy[key], rest)
        return copy
    match random.randrange(6):
        case 0:
            del copy[key]
        case 1 if isinstance(copy, list):
            copy.insert(key, _hostile_json(random, copy[key]))
        case 1 | 2 if isinstance(copy, dict):
            copy[random.choice(TEXTS)] = copy.pop(key)
        case _:
            copy[key] = _hostile_json(random, copy[key])
    return copy


def _hostile_json(random: Random, value: Any) -> Any:
    if isinstance(value, int | float) and not isinstance(value, bool) and random.random() < 0.6:
        return random.choice((integer(random), random.choice(FLOATS), -value, value + 1, value * 1000))
    nested: Any = []
    for _ in range(random.choice((1, 2, 50))):
        nested = [nested]
    return random.choice(
        (None, True, integer(random), random.choice(FLOATS), random.choice(TEXTS), [], {}, nested, [value])
    )


# ---- protobuf


def mutated_message(random: Random, message: Message, texts: Sequence[str]) -> None:
    """Change a message of any type, in place, at one place or some: fields set, removed, doubled, swapped, emptied.

    Args:
        random: decides.
        message: any.
        texts: what stands in text fields of others of its kind, such as the names of functions.
    """
    for _ in range(random.choice((1, 1, 1, 2, 3, 8))):
        _mutate(random, random.choice(_messages(message)), texts)


def _messages(message: Message) -> list[Message]:
    """The message and all within it."""
    found = [message]
    for field, value in message.ListFields():
        if field.type == FieldDescriptor.TYPE_MESSAGE:
            for each in value if field.is_repeated else [value]:
                found += _messages(each)
    return found


def _mutate(random: Random, message: Message, texts: Sequence[str]) -> None:
    present = [field for field, _ in message.ListFields()]
    everything = list(message.DESCRIPTOR.fields)
    if not everything:
        return
    field = random.choice(present if present and random.random() < 0.8 else everything)
    if not field.is_repeated:
        if random.random() < 0.15:
            message.ClearField(field.name)
        elif field.type == FieldDescriptor.TYPE_MESSAGE:
            getattr(message, field.name).SetInParent()
        else:
            setattr(message, field.name, _value(random, field, texts, getattr(message, field.name)))
        return
    values = getattr(message, field.name)
    place = random.randrange(len(values)) if len(values) else 0
    is_message = field.type == FieldDescriptor.TYPE_MESSAGE
    match random.randrange(7):
        case 0 if len(values):
            del values[place]
        case 1 if len(values):
            values.append(values[place])
        case 2 if len(values) and is_message:
            values[place].CopyFrom(values[random.randrange(len(values))])
        case 3 if len(values) > 1:
            order = [type(each).FromString(each.SerializeToString()) if is_message else each for each in values]
            random.shuffle(order)
            del values[:]
            values.extend(order)
        case 4:
            del values[random.randrange(len(values) + 1) :]
        case 5 if is_message:
            values.add()
        case 5:
            values.append(_value(random, field, texts, None))
        case _ if len(values) and is_message:
            _mutate(random, values[place], texts)
        case _ if len(values):
            values[place] = _value(random, field, texts, values[place])


def _value(random: Random, field: FieldDescriptor, texts: Sequence[str], before: Any) -> Any:
    kind = field.cpp_type
    if kind == FieldDescriptor.CPPTYPE_BOOL:
        return random.random() < 0.5
    if kind in (FieldDescriptor.CPPTYPE_FLOAT, FieldDescriptor.CPPTYPE_DOUBLE):
        return random.choice((*FLOATS, random.gauss(0, 1)))
    if kind == FieldDescriptor.CPPTYPE_ENUM:
        return random.choice([value.number for value in field.enum_type.values])
    if field.type == FieldDescriptor.TYPE_BYTES:
        return mutated_bytes(random, before or b"")
    if kind == FieldDescriptor.CPPTYPE_STRING:
        text = random.choice((random.choice(texts or TEXTS), random.choice(texts or TEXTS), random.choice(TEXTS)))
        return text.encode("utf-8", "replace").decode()
    return _fitting(random, _LIMITS[kind])


def _fitting(random: Random, limits: tuple[int, int]) -> int:
    number = integer(random)
    return number if limits[0] <= number <= limits[1] else random.choice(limits)


_LIMITS = {
    FieldDescriptor.CPPTYPE_INT32: (-(2**31), 2**31 - 1),
    FieldDescriptor.CPPTYPE_INT64: (-(2**63), 2**63 - 1),
    FieldDescriptor.CPPTYPE_UINT32: (0, 2**32 - 1),
    FieldDescriptor.CPPTYPE_UINT64: (0, 2**64 - 1),
}


def texts_of(message: Message) -> list[str]:
    """What stands in the text fields of a message and all within it."""
    found: list[str] = []
    for each in _messages(message):
        for field, value in each.ListFields():
            if field.type == FieldDescriptor.TYPE_STRING:
                found += list(value) if field.is_repeated else [value]
    return sorted(set(found))


Mutation = Callable[[Random, bytes], bytes]
