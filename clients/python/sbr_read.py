#!/usr/bin/env python3
"""Lists the items that wait in a shared-block-ring, and verifies every checksum. Only reads.

Both formats and pools of rings, as FORMAT.md of shared-block-ring describes them; this file was written from that text alone, and needs nothing
but Python 3.9 and its standard library. IMAGE is a file or a block device, and both sides of the ring may be running.
"""

import argparse
import json
import os
import re
import stat
import struct
import sys
import time

EXIT_CODES = """\
exit codes:
  0  the ring is sound, and its waiting items were listed
  1  something in the ring is damaged: what is sound was listed, "damage" says what is not
  2  wrong arguments
  3  IMAGE holds no ring, or one that this program must not read
  4  IMAGE could not be read (missing, an I/O error, it changed too fast), or the output not written

Without --json each item is a line: its position, a tab, the item in hexadecimal; damage is told on standard error.
With --json the output is one object: "format" (1 or 2), "items" (each with "position", the end of the item as sbr shows
it, and "hex") and "damage" (each with "where" and "what"). Of a pool without --ring each line is a name, a tab and the ring's
bytes; with --json there are "rings" (each with "name", "offset" and "bytes") in place of "format" and "items". With exit codes 2 to 4 there is an "error" instead, or as well
if it came up between two items.
"""

# --- CRC-32C -------------------------------------------------------------------------------------------------------------

POLYNOMIAL = 0x82F63B78


def _tables():
    """For one byte, and for the halves of a word of four: two look-ups take a CRC four bytes further."""
    byte = []
    for value in range(256):
        for _ in range(8):
            value = value >> 1 ^ (POLYNOMIAL if value & 1 else 0)
        byte.append(value)
    behind = [byte]
    for _ in range(3):
        behind.append([crc >> 8 ^ byte[crc & 255] for crc in behind[-1]])
    high = [one ^ other for other in behind[0] for one in behind[1]]
    low = [one ^ other for other in behind[2] for one in behind[3]]
    return byte, low, high


BYTE, LOW, HIGH = _tables()


def crc_more(crc, data):
    """Goes on with a CRC that is not finished: begins with 0xFFFFFFFF, ends with an XOR of the same."""
    words = len(data) >> 2
    low, high = LOW, HIGH
    for word in struct.unpack_from("<%dI" % words, data):
        crc ^= word
        crc = low[crc & 0xFFFF] ^ high[crc >> 16]
    for byte in bytes(data[words * 4 :]):
        crc = crc >> 8 ^ BYTE[(crc ^ byte) & 255]
    return crc


def crc32c(*parts):
    crc = 0xFFFFFFFF
    for part in parts:
        crc = crc_more(crc, part)
    return crc ^ 0xFFFFFFFF


def flipped_bit(syndrome, length):
    """The bit of `length` bytes whose flip explains the difference between two CRCs, or None."""
    value = 1
    for distance in range(1, length * 8 + 1):
        value = value >> 1 ^ (POLYNOMIAL if value & 1 else 0)
        if value == syndrome:
            return length * 8 - distance
    return None


def with_bit_flipped(data, bit):
    changed = bytearray(data)
    changed[bit >> 3] ^= 1 << (bit & 7)
    return bytes(changed)


# --- The device ----------------------------------------------------------------------------------------------------------


#: A larger item is told as damage instead of being read into memory.
LARGEST_ITEM = 1 << 30
TOO_LARGE = "it is larger than the 1 GiB that this program reads into memory"


class NoRing(Exception):
    """The device holds nothing that this program reads. Exit code 3."""


class Unreadable(Exception):
    """The device did not let itself be read. Exit code 4."""


class Part:
    """A part of a device, which is read like a device."""

    def __init__(self, device, offset, size):
        self.device, self.offset, self.size = device, offset, size

    def read(self, offset, length):
        if offset + length > self.size:
            raise Unreadable("the ring ends before byte %d" % (offset + length))
        return self.device.read(self.offset + offset, length)


class Device:
    def __init__(self, path):
        try:
            mode = os.stat(path).st_mode
            if not (stat.S_ISREG(mode) or stat.S_ISBLK(mode)):
                raise Unreadable("%s is neither a file nor a block device" % path)
            self._file = open(path, "rb", buffering=0)
            self.size = self._file.seek(0, os.SEEK_END)
        except OSError as error:
            raise Unreadable(str(error)) from error

    def read(self, offset, length):
        """Exactly `length` bytes."""
        parts = []
        try:
            self._file.seek(offset)
            while length > 0:
                part = self._file.read(min(length, 1 << 24))
                if not part:
                    raise Unreadable("the device ends before byte %d: it shrank while it was read" % (offset + length))
                parts.append(part)
                length -= len(part)
        except OSError as error:
            raise Unreadable("reading at byte %d: %s" % (offset, error)) from error
        except MemoryError as error:
            raise Unreadable("no memory for what is at byte %d" % offset) from error
        return b"".join(parts)


def settled(read, problem_of, bytes_of=lambda data: data):
    """Reads what a running role may be writing: a problem counts once three reads in a row return the same bytes."""
    before, same = None, 0
    for _ in range(200):
        data = read()
        problem = problem_of(data)
        same = same + 1 if bytes_of(data) == before else 1
        if not problem or same == 3:
            return data, problem
        before = bytes_of(data)
        time.sleep(0.01)
    raise Unreadable("metadata changed with each of 200 reads")


class Damage(Exception):
    """Ends the reading at a place beyond which nothing can be told."""

    def __init__(self, where, what):
        super().__init__(what)
        self.where = where
        self.what = what


# --- Format 1 ------------------------------------------------------------------------------------------------------------

MAGIC1 = b"mirage shared-block-device 1.0"
TEXT1 = (
    re.compile(rb"; producer = (-?\d{1,20}); suspend_ack = (true|false)\Z"),
    re.compile(rb"; consumer = (-?\d{1,20}); suspend = (true|false)\Z"),
)
NAMES1 = ("producer", "consumer")


class Ring1:
    format = 1

    def __init__(self, device, sector_size, tell):
        self.device = device
        self.tell = tell
        self.sector = sector_size
        if device.size % sector_size != 0:
            raise NoRing("the device ends within a sector of %d bytes: give the ring's --sector-size" % sector_size)
        if device.size < 4 * sector_size:
            raise NoRing("a ring of format 1 has at least 4 sectors of %d bytes" % sector_size)
        self.capacity = device.size - 3 * sector_size

    def pointers(self):
        """Producer and consumer, which have no checksum."""
        sectors, problem = settled(lambda: self.device.read(self.sector, 2 * self.sector), self._problem)
        if problem is not None:
            raise problem
        return struct.unpack_from("<q", sectors)[0], struct.unpack_from("<q", sectors, self.sector)[0]

    def _problem(self, sectors):
        offsets = []
        for index, name in enumerate(NAMES1):
            sector = sectors[index * self.sector : (index + 1) * self.sector]
            where = "pointer sector of the %s, byte %d" % (name, (index + 1) * self.sector)
            offset = struct.unpack_from("<q", sector)[0]
            if not 0 <= offset < 1 << 62 or offset % 4 != 0:
                return Damage(where, "the offset is %d: expected a multiple of 4 from 0 to 2^62" % offset)
            if sector[8] not in (1, 2):
                return Damage(where, "byte 8 is %d: expected 1 or 2" % sector[8])
            text = TEXT1[index].search(sector[128:512].rstrip(b"\0"))
            if text and (int(text[1]), text[2] == b"true") != (offset, sector[8] == 1):
                return Damage(where, "the text says %s, the fields %d and %d" % (text[0].decode(), offset, sector[8]))
            offsets.append(offset)
        producer, consumer = offsets
        if not consumer <= producer <= consumer + self.capacity:
            return Damage(
                "pointer sectors, byte %d" % self.sector,
                "producer %d and consumer %d do not fit a data area of %d bytes" % (producer, consumer, self.capacity),
            )
        return None

    def _data(self, offset, length):
        at = offset % self.capacity
        first = min(length, self.capacity - at)
        data = self.device.read(3 * self.sector + at, first)
        return data if first == length else data + self.device.read(3 * self.sector, length - first)

    def items(self):
        end, at = self.pointers()
        chunk, chunk_at = b"", at
        while at < end:
            start, wanted = at - chunk_at, 4
            if start + 4 <= len(chunk):
                length = struct.unpack_from("<I", chunk, start)[0]
                after = at + (length + 7 & ~3)
                # However much the length claims, the record ends at or before the producer's offset.
                if after > end:
                    problem = "a record of %d bytes goes beyond the producer's offset %d" % (length, end)
                    raise Damage("offset %d" % at, problem)
                if length > LARGEST_ITEM:
                    self.tell("item %d" % after, TOO_LARGE)
                    at, chunk, chunk_at = after, b"", after
                    continue
                if start + 4 + length <= len(chunk):
                    at = after
                    yield str(at), chunk[start + 4 : start + 4 + length]
                    continue
                wanted = 4 + length
            chunk, chunk_at = self._data(at, min(max(wanted, 1 << 20), end - at)), at
            # Space is reused only once the consumer is past it: its pointer, read after the data, says what to trust.
            _, consumer = self.pointers()
            if consumer > at:
                at, chunk, chunk_at = consumer, b"", consumer


# --- Format 2 ------------------------------------------------------------------------------------------------------------

TEXT2 = b"This is a shared-block-ring of format 2. Older programs cannot use it."
GUARD_FLAGS = (512, 1024, 2048, 4096, 8192)
GUARD_BYTES = 12288
BLOCK_SIZES = tuple(1 << power for power in range(9, 17))
MAGIC2 = b"SBRING2\0"
BATCH_MAGIC = b"SBRB"
SUPERBLOCK, PRODUCER, CONSUMER, LEASE, DIRECTORY = 1, 2, 3, 4, 5
TYPE_NAMES = {SUPERBLOCK: "superblock", PRODUCER: "producer slot", CONSUMER: "consumer slot", LEASE: "lease"}
SAFE = 1 << 53
COUNT = 1 << 52
BYTES_MODULO = 1 << 48
FOUR_MIB = 4 << 20
SEARCH_BYTES = 12 << 20
PART_BYTES = 64 << 20
OVERWRITES = 1
FIELDS = "its checksum is right, and its fields are not possible"

# What is found at a log position.
SOUND, DAMAGED_ITEMS, DAMAGED, ELSEWHERE, CONTRADICTION, END = range(6)


def votes(start, text=TEXT2):
    """How many of nine votes of the guard with this text are there."""
    return (
        (start[:30] == MAGIC1)
        + 3 * (start[128 : 128 + len(text)] == text)
        + sum(start[at + 8 : at + 9] == b"\xff" for at in GUARD_FLAGS)
    )


def layout(block_size):
    """The unit of the layout, and the offset of the first superblock."""
    unit = max(block_size, 4096)
    return unit, -(-GUARD_BYTES // unit) * unit


def metadata_block(block, offset, kind):
    """None if the block is one of this type that was written for this place."""
    if block[:8] != MAGIC2:
        return "no magic"
    if crc32c(block[:8], b"\0\0\0\0", block[12:]) != struct.unpack_from("<I", block, 8)[0]:
        return "its checksum is wrong"
    if block[12] != kind or block[13:16] != b"\0\0\0":
        return "it is of type %d" % block[12]
    if struct.unpack_from("<Q", block, 16)[0] != offset:
        return "it was written for byte %d" % struct.unpack_from("<Q", block, 16)[0]
    if struct.unpack_from("<I", block, 48)[0] != len(block):
        return "its block size is %d" % struct.unpack_from("<I", block, 48)[0]
    if struct.unpack_from("<Q", block, 40)[0] >= COUNT:
        return "its generation is too large"
    return None


class Superblock:
    def __init__(self, block):
        """Of a block that `metadata_block` finds sound. Raises ValueError if its fields cannot be."""
        self.uuid = block[24:40]
        self.compatible, self.read_only, self.incompatible, self.block_size = struct.unpack_from("<4I", block, 64)
        self.device_size, self.data_start, self.blocks = struct.unpack_from("<3Q", block, 80)
        checksum, name = struct.unpack_from("<IH", block, 104)
        unit, first = layout(self.block_size)
        last = self.device_size // unit * unit - unit
        self.offsets = (first, first + unit, last)
        self.data_end = self.data_start + self.blocks * self.block_size
        if self.block_size != len(block) or checksum != 1 or name > 256:
            raise ValueError
        if self.device_size >= SAFE or self.data_start != first + 8 * unit or self.blocks < 4:
            raise ValueError
        if self.blocks != (last - self.data_start) // self.block_size:
            raise ValueError
        self.name = block[128 : 128 + name]

    def __eq__(self, other):
        return vars(self) == vars(other)


def superblock_in(block, offset):
    """A superblock or None, and what is wrong."""
    problem = metadata_block(block, offset, SUPERBLOCK)
    if problem is not None:
        return None, problem
    try:
        return Superblock(block), None
    except ValueError:
        return None, FIELDS


def find_superblock(device):
    """The superblock that counts, or None."""
    found = []
    for size in BLOCK_SIZES:
        unit, first = layout(size)
        for offset in (first, first + unit, device.size // unit * unit - unit):
            if offset < 0 or offset + size > device.size:
                continue
            superblock, _ = superblock_in(device.read(offset, size), offset)
            if superblock is not None and offset in superblock.offsets:
                found.append((offset, superblock))
    fitting = [entry for entry in found if entry[1].device_size <= device.size]
    counting = [
        (offset, superblock)
        for offset, superblock in fitting or found
        if not any(other.data_start <= offset < other.data_end for _, other in fitting or found)
    ]
    return min(counting, key=lambda entry: entry[0])[1] if counting else None


class Position:
    """A log position: blocks, items and bytes before a point where a batch begins, and the CRC of the batch before."""

    __slots__ = ("lsn", "seq", "bytes", "crc")

    def __init__(self, lsn, seq, byte_count, crc):
        self.lsn, self.seq, self.bytes, self.crc = lsn, seq, byte_count, crc

    @classmethod
    def at(cls, block, offset):
        return cls(*struct.unpack_from("<QQQI", block, offset))

    def __eq__(self, other):
        return (self.lsn, self.seq, self.bytes, self.crc) == (other.lsn, other.seq, other.bytes, other.crc)

    def possible(self, block_size):
        room = (self.lsn + 1) * block_size
        return (
            self.lsn < COUNT
            and self.seq < COUNT
            and self.seq * 8 <= room
            and self.bytes <= min(room, BYTES_MODULO - 1)
            and (self.lsn > 0 or (self.seq, self.bytes, self.crc) == (0, 0, 0))
        )

    def leads_to(self, other, block_size):
        if self.lsn >= other.lsn:
            return self == other
        items, byte_count = other.seq - self.seq, (other.bytes - self.bytes) % BYTES_MODULO
        room = (other.lsn - self.lsn) * block_size
        return 0 <= items * 8 <= room and byte_count <= room


class Slot:
    """A role's state, of a block that `metadata_block` finds sound. Raises ValueError if its fields cannot be."""

    def __init__(self, block, kind, superblock):
        size = superblock.block_size
        self.generation = struct.unpack_from("<Q", block, 40)[0]
        self.epoch = struct.unpack_from("<Q", block, 64)[0]
        self.position = Position.at(block, 72)
        self.flag = block[108]
        text = struct.unpack_from("<H", block, 112)[0]
        counts = struct.unpack_from("<3Q", block, 128)
        if block[24:40] != superblock.uuid or self.epoch >= COUNT or self.flag > 1 or text > 64:
            raise ValueError
        if not self.position.possible(size) or counts[0] >= SAFE or max(counts[1:]) >= COUNT:
            raise ValueError
        if kind == CONSUMER:
            self.acknowledged = struct.unpack_from("<I", block, 104)[0]
            if struct.unpack_from("<Q", block, 120)[0] >= BYTES_MODULO:
                raise ValueError
            return
        count = struct.unpack_from("<H", block, 110)[0]
        reach = struct.unpack_from("<Q", block, 120)[0]
        if not 1 <= count <= min(96, (size - 248) // 40):
            raise ValueError
        self.truncated_to = Position.at(block, 152)
        self.epochs = []
        for at in range(248, 248 + 40 * count, 40):
            number, span = struct.unpack_from("<Q", block, at)[0], struct.unpack_from("<I", block, at + 36)[0]
            self.epochs.append((number, Position.at(block, at + 8), span))
        search = SEARCH_BYTES // size
        self.search_end = max(self.position.lsn + search, reach)
        if reach > self.position.lsn + superblock.blocks + search:
            raise ValueError
        begins = [begin for _, begin, _ in self.epochs]
        chain = begins + [self.position]
        if not all(position.possible(size) for position in begins + [self.truncated_to]):
            raise ValueError
        if not all(one.leads_to(next_one, size) for one, next_one in zip(chain, chain[1:])):
            raise ValueError
        if not self.truncated_to.leads_to(self.position, size):
            raise ValueError
        numbers = [number for number, _, _ in self.epochs]
        if numbers != sorted(set(numbers)) or numbers[-1] != self.epoch:
            raise ValueError


class Header:
    """A batch's header; its CRC is right."""

    def __init__(self, block):
        self.crc = struct.unpack_from("<I", block, 4)[0]
        self.lsn, self.epoch, self.seq, self.bytes, self.committed_to, self.time = struct.unpack_from("<6Q", block, 8)
        self.before, self.uuid, self.count, self.length, self.table_crc, self.mask = struct.unpack_from("<6I", block, 56)
        self.parts = max(1, -(-self.length // PART_BYTES))
        self.items_at = 80 + 8 * self.count + 4 * (self.parts - 1)
        self.position = Position(self.lsn, self.seq, self.bytes, self.before)
        self.corrected = False


class State:
    """What the four slots say at one time."""

    def __init__(self, producer, consumer):
        self.producer = producer
        self.consumer = consumer

    def start(self):
        """Where the consumer goes on: a log position, and how many items of the batch there are done with."""
        return self.from_here(self.consumer.position, self.consumer.acknowledged, self.consumer.epoch)

    def from_here(self, at, done, seen):
        """
        Where a reader goes on that is at this log position, is done with this many items of the batch there, and has seen
        this epoch: back where a later one began, if it has read further, and beyond what was overwritten.
        """
        for number, begin, _ in self.producer.epochs:
            if number > seen and (at.lsn > begin.lsn or at.seq + done > begin.seq):
                at, done = begin, 0
                break
        truncated_to = self.producer.truncated_to
        return (truncated_to, 0) if at.lsn < truncated_to.lsn else (at, done)

    def points(self):
        """Where batches begin, according to the slots."""
        return [begin for _, begin, _ in self.producer.epochs] + [self.producer.position]

    def allows(self, epoch, lsn):
        """Whether a batch of this epoch may be at this LSN."""
        allowed = None
        for number, begin, span in self.producer.epochs:
            if begin.lsn > lsn:
                break
            allowed = number - span <= epoch <= number
        if allowed is None:
            number, _, span = self.producer.epochs[0]
            return epoch < number - span
        return allowed


class Ring2:
    format = 2

    def __init__(self, device, superblock, tell):
        self.device = device
        self.superblock = superblock
        self.size = superblock.block_size
        self.tell = tell
        self.uuid_crc = crc32c(superblock.uuid)
        self.budget = 64 * superblock.blocks * superblock.block_size + (64 << 20)
        unit, first = layout(self.size)
        self.slots_at = first + 2 * unit
        self.unit = unit
        self.leases_at = first + 6 * unit
        self._check_metadata()

    # What is beside the log

    def _check_metadata(self):
        superblock, device = self.superblock, self.device
        if superblock.device_size > device.size:
            raise NoRing(
                "the device has %d bytes, and had %d when the ring was made: it shrank"
                % (device.size, superblock.device_size)
            )
        if superblock.incompatible & ~OVERWRITES or superblock.read_only:
            raise NoRing(
                "the ring has features that this program does not know: incompatible 0x%x, read-only compatible 0x%x"
                % (superblock.incompatible, superblock.read_only)
            )
        there = votes(device.read(0, GUARD_BYTES))
        if there < 9:
            self.tell("guard, byte 0", "%d of its 9 votes are intact" % there)
        for offset in superblock.offsets:
            block = device.read(offset, self.size)
            where = "superblock, byte %d" % offset
            other, problem = superblock_in(block, offset)
            if problem is not None:
                self.tell(where, problem)
            elif other != superblock:
                raise Damage(where, "it contradicts another one: which one counts is not known")
        for role, offset in (("producer", self.leases_at), ("consumer", self.leases_at + self.unit)):
            problem = self._lease_problem(offset)
            if problem is not None:
                self.tell("lease of the %s, byte %d" % (role, offset), problem)

    def _lease_problem(self, offset):
        def problem_of(block):
            return None if not any(block) else metadata_block(block, offset, LEASE) or self._lease_fields(block)

        return settled(lambda: self.device.read(offset, self.size), problem_of)[1]

    def _lease_fields(self, block):
        taken, written, nonce, timeout, state, length = struct.unpack_from("<3QIBB", block, 64)
        counter = struct.unpack_from("<Q", block, 40)[0]
        owner = block[96 : 96 + length]
        word = rb"[A-Za-z0-9\[][A-Za-z0-9._:/@\[\]-]*"
        if block[24:40] != self.superblock.uuid:
            return "it is of another ring"
        if not (1 <= taken <= 1 << 48 and 1 <= counter <= 1 << 48 and written < SAFE):
            return "its counts cannot be"
        if not 5000 <= timeout <= 3600000 or state not in (1, 2, 3):
            return "its timeout is %d and its state %d" % (timeout, state)
        if not 1 <= length <= 64 or not re.fullmatch(word + rb"( " + word + rb")*", owner):
            return "the name of its owner cannot be"
        return None

    # Slots

    def _role(self, raw, first, kind):
        """The slot of a role that counts, and what is wrong: a list of places and problems."""
        sound, problems = [], []
        for index in (0, 1):
            at = (first + index) * self.unit
            block, offset = raw[at : at + self.size], self.slots_at + at
            problem = metadata_block(block, offset, kind)
            if problem is None:
                try:
                    sound.append(Slot(block, kind, self.superblock))
                except ValueError:
                    problem = FIELDS
            if problem is not None:
                problems.append(("%s %d, byte %d" % (TYPE_NAMES[kind], index + 1, offset), problem))
        sound.sort(key=lambda slot: slot.generation)
        if len(sound) == 2 and not self._agree(sound[0], sound[1], kind):
            where = "%ss, byte %d" % (TYPE_NAMES[kind], self.slots_at + first * self.unit)
            problems.append((where, "they contradict each other"))
            sound = []
        return (sound[-1] if sound else None), problems

    def _agree(self, older, newer, kind):
        if older.epoch > newer.epoch:
            return False
        if kind == PRODUCER:
            return older.position.leads_to(newer.position, self.size)
        return older.epoch < newer.epoch or older.position.lsn <= newer.position.lsn

    def state(self):
        """Reads the slots."""

        def roles(raw):
            return [self._role(raw, 0, PRODUCER), self._role(raw, 2, CONSUMER)]

        raw, problems = settled(
            lambda: self.device.read(self.slots_at, 3 * self.unit + self.size),
            lambda raw: [problem for _, problems in roles(raw) for problem in problems],
        )
        for problem in problems:
            self.tell(*problem)
        producer, consumer = (slot for slot, _ in roles(raw))
        where = "slots, byte %d" % self.slots_at
        if producer is None or consumer is None:
            raise Damage(where, "both slots of a role are damaged: nothing says what waits")
        if consumer.position.lsn > producer.position.lsn and consumer.position.seq < producer.position.seq:
            raise Damage(where, "the cursor counts fewer items than were committed before it")
        return State(producer, consumer)

    # Batches

    def _blocks(self, lsn, length):
        """Bytes of the log from a block on; they wrap around the end of the data area."""
        superblock = self.superblock
        at = lsn % superblock.blocks * self.size
        first = min(length, superblock.blocks * self.size - at)
        data = self.device.read(superblock.data_start + at, first)
        return data if first == length else data + self.device.read(superblock.data_start, length - first)

    def _header(self, start, at=None):
        """The header in the first 80 bytes of a batch, or None. With a log position, one flipped bit is corrected."""
        if start[:4] == BATCH_MAGIC and crc32c(start[8:80]) == struct.unpack_from("<I", start, 4)[0]:
            return Header(start)
        if at is None:
            return None
        # What has to be there is known for half of the fields: more than one wrong bit there, and it is something else.
        known = BATCH_MAGIC + struct.pack("<QQQII", at.lsn, at.seq, at.bytes, at.crc, self.uuid_crc)
        there = start[:4] + start[8:16] + start[24:40] + start[56:64]
        if bin(int.from_bytes(known, "little") ^ int.from_bytes(there, "little")).count("1") > 1:
            return None
        syndrome = crc32c(start[8:80]) ^ struct.unpack_from("<I", start, 4)[0]
        if syndrome == 0:
            fixed = BATCH_MAGIC + start[4:]
        elif syndrome & (syndrome - 1) == 0:
            fixed = start[:4] + struct.pack("<I", crc32c(start[8:80])) + start[8:]
        else:
            bit = flipped_bit(syndrome, 72)
            fixed = None if bit is None else with_bit_flipped(start, 64 + bit)
        if fixed is None or fixed[:4] != BATCH_MAGIC:
            return None
        header = Header(fixed)
        header.corrected = True
        return header

    def _extent(self, header):
        """Blocks of a batch, or None if there can be no such batch."""
        superblock = self.superblock
        if max(header.epoch, header.seq, header.committed_to, header.lsn) >= COUNT or header.bytes >= BYTES_MODULO:
            return None
        if header.committed_to > header.seq + header.count or (header.count == 0 and header.length > 0):
            return None
        blocks = -(-(header.items_at + header.length) // self.size)
        limit = superblock.blocks
        if header.count > 1:
            limit = max(1, min(FOUR_MIB // self.size, superblock.blocks // 4))
        return blocks if blocks <= limit else None

    def _fits(self, header, blocks, state):
        """Whether a batch of this header may be where it is."""
        return (
            header.uuid == self.uuid_crc
            and state.allows(header.epoch, header.lsn)
            and not any(header.lsn < point.lsn < header.lsn + blocks for point in state.points())
        )

    def _items_of(self, header, blocks, reached):
        """
        A batch's items, None for each damaged one; or None if its table is damaged. If the batch was reached along the chain,
        one bit is corrected.
        """
        if header.count == 1 and header.length > LARGEST_ITEM:
            return [None]
        data = bytearray(self._blocks(header.lsn, blocks * self.size))
        masks_at = 80 + 8 * header.count
        masks = [header.mask] + list(struct.unpack_from("<%dI" % (header.parts - 1), data, masks_at))
        for part, mask in enumerate(masks):
            end = len(data) if part == header.parts - 1 else (part + 1) * PART_BYTES
            for at in range(max(512, part * PART_BYTES), end if mask else 0, 512):
                data[at : at + 4] = struct.pack("<I", mask ^ struct.unpack_from("<I", data, at)[0])
        view = memoryview(data)
        table, suspect = bytes(view[80 : header.items_at]), None
        syndrome = crc32c(table) ^ header.table_crc
        if syndrome != 0:
            self._spend(24 * len(table))
            bit = flipped_bit(syndrome, len(table)) if reached else None
            if bit is None or bit >= 64 * header.count:
                return None
            table, suspect = with_bit_flipped(table, bit), bit // 64
        entries = struct.unpack_from("<%dI" % (2 * header.count), table)
        if sum(entries[::2]) != header.length:
            return None
        items, at = [], header.items_at
        for length, crc in zip(entries[::2], entries[1::2]):
            item = bytes(view[at : at + length])
            items.append(item if crc32c(item) == crc else None)
            at += length
        if suspect is not None:
            if items[suspect] is None:
                return None
            self.tell("table of the batch at block %d of the log" % header.lsn, "one bit is wrong; the item tells which")
        return items

    def _read_batch(self, at, state):
        """The batch at a log position: its header, blocks and items; or None if there is no such batch, or no whole table."""
        header = self._header(self._blocks(at.lsn, self.size)[:80], at)
        if header is None or header.position != at:
            return None
        blocks = self._extent(header)
        if blocks is None or not self._fits(header, blocks, state):
            return None
        if header.corrected:
            self.tell("header of the batch at block %d of the log" % at.lsn, "one bit is wrong; the rest tells which")
        items = self._items_of(header, blocks, True)
        return None if items is None else (header, blocks, items)

    def _spend(self, amount):
        """Bounds what is done about damage: images that were made to keep a reader busy end here."""
        self.budget -= amount
        if self.budget < 0:
            raise Damage("the log", "so much of it is damaged that this program stops looking for what is sound")

    def _search(self, at, end, state):
        """Sound batches behind a gap, up to an LSN: their headers, blocks and items."""
        # A block holds one lap's batch, so there is nothing to find further than a lap away.
        end = min(end, at.lsn + self.superblock.blocks)
        step = max(1, (1 << 20) // self.size)
        for lsn in range(at.lsn + 1, end, step):
            count = min(step, end - lsn)
            self._spend(count * self.size // 16)
            data = self._blocks(lsn, count * self.size)
            for index in range(count):
                start = data[index * self.size : index * self.size + 80]
                header = self._header(start) if start[:4] == BATCH_MAGIC else None
                if header is None or header.lsn != lsn + index:
                    continue
                blocks = self._extent(header)
                if blocks is None or not self._fits(header, blocks, state):
                    continue
                if not at.leads_to(Position(header.lsn, header.seq, header.bytes, 0), self.size):
                    continue
                self._spend(blocks * self.size)
                items = self._items_of(header, blocks, False)
                if items is not None:
                    yield header, blocks, items

    def _committed_later(self, at, committed, state):
        """Whether a later batch of the present epoch says that more is committed than the batches up to here do."""
        return any(
            header.epoch == state.producer.epoch and header.committed_to > committed and None not in items
            for header, _, items in self._search(at, state.producer.search_end, state)
        )

    def _beyond(self, at, state):
        """Where the log goes on behind damage: at the next sound batch, or where the slots say that one begins."""
        points = [point for point in state.points() if point.lsn > at.lsn]
        point = min(points, key=lambda point: point.lsn, default=None)
        end = state.producer.search_end if point is None else point.lsn
        for header, _, _ in self._search(at, end, state):
            return header.position
        return point

    # The log

    def _next(self, at, stated, committed, state):
        """
        What is at a log position: a verdict, and the batch or the log position that it is about. The batches before it state
        that `stated` items are committed; with what the slots say it is `committed`.
        """
        for point in state.points():
            if point.lsn == at.lsn and point.seq < min(stated, at.seq):
                return CONTRADICTION, None
            if point.lsn == at.lsn and point.seq > at.seq:
                return ELSEWHERE, point
        found = self._read_batch(at, state)
        if found is not None and None not in found[2]:
            return SOUND, found
        if found is None:
            for point in state.points():
                if point.lsn == at.lsn and point != at:
                    return ELSEWHERE, point
        if at.lsn < state.producer.position.lsn or self._committed_later(at, committed, state):
            return (DAMAGED, None) if found is None else (DAMAGED_ITEMS, found)
        return END, None

    def items(self):
        state = self.state()
        at, done = state.start()
        # All that waits now ends within a lap; what a running producer adds meanwhile could go on without end.
        last = max(at.lsn, state.producer.position.lsn) + self.superblock.blocks
        # What the consumer is done with was committed.
        stated, pending, seen, retries = at.seq + done, [], None, 0
        while at.lsn < last:
            committed = max(stated, state.producer.position.seq)
            verdict, found = self._next(at, stated, committed, state)
            if verdict != SOUND:
                # What looks like an end or damage may be a batch that is being written, was reused, or given up: that is
                # concluded only from two looks, after which the slots still say that this place is in use.
                epoch = state.producer.epoch
                state = self.state()
                start = state.start()
                moved = start if start[0].lsn > at.lsn else state.from_here(at, done, epoch)
                first = seen != (verdict, at.lsn, state.producer.epoch)
                seen = (verdict, at.lsn, state.producer.epoch)
                if moved[0] != at:
                    at, done = moved
                    stated, pending, first = at.seq + done, [], True
                if first:
                    retries += 1
                    if retries > 10000:
                        raise Unreadable("the ring changed faster than it could be read")
                    continue
            if verdict == END:
                return
            if verdict in (SOUND, DAMAGED_ITEMS):
                header, blocks, items = found
                stated = max(stated, header.committed_to)
                numbered = enumerate(items[done:], header.seq + 1 + done)
                pending += [(header.epoch, number, item) for number, item in numbered]
                total = (at.bytes + header.length) % BYTES_MODULO
                at = Position(at.lsn + blocks, at.seq + header.count, total, header.crc)
                pending = yield from self._list(pending, max(stated, committed))
            else:
                at = self._over_damage(at, done, state, verdict, found)
            done = 0

    def _over_damage(self, at, done, state, verdict, point):
        """Tells damage, and where the log goes on behind it."""
        byte = self.superblock.data_start + at.lsn % self.superblock.blocks * self.size
        where = "block %d of the log, byte %d" % (at.lsn, byte)
        if verdict == CONTRADICTION:
            raise Damage(where, "the slots count fewer items there than the batches before it have committed")
        beyond = point if verdict == ELSEWHERE else self._beyond(at, state)
        if beyond is None:
            raise Damage(where, "a batch is damaged, and none is found behind it")
        self.tell(where, "%d items are lost" % max(0, beyond.seq - at.seq - done))
        return beyond

    def _list(self, pending, committed):
        """Lists what is committed of the items read so far; returns the rest."""
        count = 0
        for epoch, number, item in pending:
            if number > committed:
                break
            count += 1
            position = "%d:%d" % (epoch, number)
            if item is None:
                self.tell("item %s" % position, "its checksum is wrong, or " + TOO_LARGE)
            else:
                yield position, item
        return pending[count:]


# --- What there is -------------------------------------------------------------------------------------------------------


# --- Pools ---------------------------------------------------------------------------------------------------------------

POOL_TEXT = b"This is a pool of shared-block-rings. Older programs cannot use it."
UNIT = 65536
COPIES = (UNIT, 16 * UNIT)
COPY_BYTES = 15 * UNIT
POOL_START = 32 * UNIT
MOST_RINGS = 10238
NOT_IN_A_NAME = re.compile("[\0-\x1f\x7f-\x9f\u2028\u2029#]")


class Directory:
    def __init__(self, block):
        """Of a block that `metadata_block` finds sound. Raises ValueError if its fields cannot be."""
        self.uuid = block[24:40]
        self.generation = struct.unpack_from("<Q", block, 40)[0]
        _, self.read_only, self.incompatible, count = struct.unpack_from("<4I", block, 64)
        self.pool_bytes, self.next_id = struct.unpack_from("<2Q", block, 80)
        self.rings = {}
        if self.read_only or self.incompatible:
            return
        if count > MOST_RINGS or -(-(128 + 96 * count) // 4096) * 4096 != len(block) or self.next_id >= COUNT:
            raise ValueError
        if self.pool_bytes < POOL_START or self.pool_bytes % UNIT or self.pool_bytes >= SAFE:
            raise ValueError
        free, ids = POOL_START, set()
        for at in range(128, 128 + 96 * count, 96):
            offset, size, number, length = struct.unpack_from("<3QB", block, at)
            name = block[at + 32 : at + 32 + length].decode("utf-8", "strict")
            if offset < free or offset % UNIT or size == 0 or size % UNIT or offset + size > self.pool_bytes:
                raise ValueError
            if number >= self.next_id or number in ids or name in self.rings:
                raise ValueError
            if not 1 <= length <= 64 or NOT_IN_A_NAME.search(name):
                raise ValueError
            ids.add(number)
            self.rings[name] = (offset, size)
            free = offset + size


def directory_in(device, at):
    """A copy of the directory or None, what is wrong, and its bytes."""
    size = 4096
    if at + size > device.size:
        return None, "the device ends before it", b""
    block = device.read(at, size)
    said = struct.unpack_from("<I", block, 48)[0]
    if block[:8] == MAGIC2 and said % 4096 == 0 and 4096 <= said <= min(COPY_BYTES, device.size - at):
        block = device.read(at, said)
    problem = metadata_block(block, at, DIRECTORY)
    if problem is not None:
        return None, problem, block
    try:
        return Directory(block), None, block
    except ValueError:
        return None, FIELDS, block


def find_directory(device, tell):
    """The directory that counts of a device with the guard of a pool."""
    read = lambda: [directory_in(device, at) for at in COPIES]
    # Copies that differ may be in the middle of a change.
    differ = lambda found: [problem for _, problem, _ in found] != [None, None] or found[0][2][64:] != found[1][2][64:]
    copies, _ = settled(read, differ, lambda found: [block for _, _, block in found])
    for at, (_, problem, _) in zip(COPIES, copies):
        if problem is not None:
            tell("directory of the pool, byte %d" % at, problem)
    sound = [(directory, block) for directory, _, block in copies if directory is not None]
    if not sound:
        raise Damage("directory of the pool", "no copy of it is sound")
    if len({directory.uuid for directory, _ in sound}) > 1:
        raise NoRing("the directory's copies are of two pools")
    newest, block = max(sound, key=lambda each: each[0].generation)
    if any(other.generation == newest.generation and bytes_[64:] != block[64:] for other, bytes_ in sound):
        raise NoRing("the directory's copies have one generation, and differ")
    if newest.read_only or newest.incompatible:
        raise NoRing(
            "the pool has features that this program does not know: incompatible 0x%x, read-only compatible 0x%x"
            % (newest.incompatible, newest.read_only)
        )
    if newest.pool_bytes > device.size:
        raise NoRing("the device has %d bytes, and the pool %d: it shrank" % (device.size, newest.pool_bytes))
    return newest


def pool_in(device, tell):
    """The directory of a pool, or None if the device has no guard of one."""
    start = device.read(0, min(device.size, GUARD_BYTES))
    there = votes(start, POOL_TEXT)
    says_ring = start[128 : 128 + len(TEXT2)] == TEXT2
    says_pool = start[128 : 128 + len(POOL_TEXT)] == POOL_TEXT
    if there < 5 or says_ring or not (says_pool or has_directory(device)):
        return None
    if there < 9:
        tell("guard, byte 0", "%d of its 9 votes are intact" % there)
    return find_directory(device, tell)


def has_directory(device):
    """Of a device whose guard has a damaged text: whether a directory, and no superblock before the rings, says what it is."""
    superblock = find_superblock(device)
    if superblock is not None and superblock.offsets[0] < POOL_START:
        return False
    return any(directory_in(device, at)[0] is not None for at in COPIES)


# --- Any device ----------------------------------------------------------------------------------------------------------


def open_ring(device, sector_size, tell):
    start = device.read(0, min(device.size, GUARD_BYTES))
    superblock = find_superblock(device)
    if votes(start) >= 5:
        if superblock is None:
            raise Damage("superblocks", "there is a guard of format 2, and no sound superblock")
        return Ring2(device, superblock, tell)
    if start[: len(MAGIC1)] == MAGIC1:
        return Ring1(device, sector_size, tell)
    if superblock is not None:
        raise NoRing("there is a superblock of format 2 without its guard: sbr repair --format 2 says more")
    if start[:26] == MAGIC1[:26]:
        raise NoRing("the magic is of another version: %r" % start[:30])
    raise NoRing("there is no ring: expected the magic of format 1 or the guard of format 2 at byte 0")


class Output:
    """Lines, or one JSON object; both as they come, however many items there are."""

    def __init__(self, as_json):
        self.as_json = as_json
        self.opened = False
        self.damage = []

    def tell(self, where, what):
        entry = {"where": where, "what": what}
        if entry in self.damage or len(self.damage) > 1000:
            return
        self.damage.append(entry)
        if not self.as_json:
            print("damage: %s: %s" % (where, what), file=sys.stderr)

    def open(self, ring_format):
        if self.as_json:
            sys.stdout.write('{"format": %d, "items": [' % ring_format)
        self.opened = True

    def rings(self, rings):
        if self.as_json:
            found = [{"name": name, "offset": at, "bytes": size} for name, (at, size) in rings.items()]
            sys.stdout.write('{"rings": %s, "damage": %s}\n' % (json.dumps(found), json.dumps(self.damage)))
        else:
            for name, (_, size) in rings.items():
                sys.stdout.write("%s\t%d\n" % (name, size))
        sys.stdout.flush()

    def items(self, items):
        separator = "\n"
        for position, item in items:
            if self.as_json:
                sys.stdout.write('%s{"position": "%s", "hex": "%s"}' % (separator, position, item.hex()))
                separator = ",\n"
            else:
                sys.stdout.write("%s\t%s\n" % (position, item.hex()))

    def close(self, error):
        if self.as_json:
            rest = {"damage": self.damage} if self.opened or self.damage else {}
            if error is not None:
                rest["error"] = str(error)
            body = json.dumps(rest)
            sys.stdout.write("], " + body[1:] + "\n" if self.opened else body + "\n")
        elif error is not None:
            print("sbr_read.py: %s" % error, file=sys.stderr)
        sys.stdout.flush()


def read(image, sector_size, output, ring_name=None):
    """Reads a ring, or lists those of a pool, and returns the exit code."""
    try:
        try:
            device = Device(image)
            pool = pool_in(device, output.tell)
            if pool is None and ring_name is not None:
                raise NoRing("there is no pool, so no ring %r in it" % ring_name)
            if pool is not None and ring_name is None:
                output.rings(pool.rings)
                return 1 if output.damage else 0
            if pool is not None:
                if ring_name not in pool.rings:
                    raise NoRing("the pool has no ring %r" % ring_name)
                device = Part(device, *pool.rings[ring_name])
            ring = open_ring(device, sector_size, output.tell)
            output.open(ring.format)
            output.items(ring.items())
        except Damage as damage:
            output.tell(damage.where, str(damage))
        output.close(None)
        return 1 if output.damage else 0
    except NoRing as error:
        output.close("%s: %s" % (image, error))
        return 3
    except Unreadable as error:
        output.close("%s: %s" % (image, error))
        return 4


def sector_size(text):
    size = int(text) if re.fullmatch(r"[0-9]{1,6}", text) else 0
    if not 512 <= size <= 65536 or size & (size - 1) != 0:
        raise argparse.ArgumentTypeError("expected a power of two from 512 to 65536, not %r" % text)
    return size


def main():
    parser = argparse.ArgumentParser(
        prog="sbr_read.py",
        description=__doc__,
        epilog=EXIT_CODES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    sectors = "bytes in a sector, which format 1 does not record (512)"
    parser.add_argument("--sector-size", type=sector_size, default=512, metavar="N", help=sectors)
    parser.add_argument("--ring", metavar="NAME", help="the ring of a pool; without it, a pool's rings are listed")
    parser.add_argument("--json", action="store_true", help="one JSON object instead of lines")
    parser.add_argument("image", metavar="IMAGE", help="a file or a block device")
    options = parser.parse_args()
    try:
        return read(options.image, options.sector_size, Output(options.json), options.ring)
    except OSError as error:
        # Standard output is closed or full: nothing more can be told there, also not when Python exits.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        print("sbr_read.py: standard output: %s" % error, file=sys.stderr)
        return 4
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main())
