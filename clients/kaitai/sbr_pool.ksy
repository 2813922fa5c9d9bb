meta:
  id: sbr_pool
  title: shared-block-ring, a pool of rings
  license: ISC
  endian: le
doc: |
  The directory of a pool of rings, as FORMAT.md of shared-block-ring describes it, in both copies. Each ring is described by sbr_format1 or
  sbr_format2, from its own first byte on. What a description in Kaitai Struct cannot express: checksums, and which copy counts (the newer
  one that is sound).
instances:
  guard:
    pos: 0
    type: guard
  copies:
    pos: 0
    type: 'copy_at(_index == 0 ? 65536 : 1048576)'
    repeat: expr
    repeat-expr: 2
  is_leased:
    pos: 2031616
    type: u1
    doc: The lease of the directory is a block of 65536 bytes, as the lease of a role in sbr_format2; zeroes if it was never leased.
types:
  guard:
    seq:
      - id: magic
        contents: mirage shared-block-device 1.0
    instances:
      text:
        pos: 128
        size: 67
        type: str
        encoding: ASCII
  copy_at:
    params:
      - id: at
        type: u8
    instances:
      block:
        pos: at
        type: directory
  directory:
    seq:
      - id: magic
        contents: ['SBRING2', 0]
      - id: crc
        type: u4
        doc: CRC-32C of the block, with this field zero.
      - id: kind
        contents: [5]
      - size: 3
      - id: offset
        type: u8
        doc: Where the block is on the device.
      - id: uuid
        size: 16
        doc: The pool's.
      - id: generation
        type: u8
        doc: Of two copies the higher one counts.
      - id: block_size
        type: u4
        doc: Of this copy.
      - size: 12
      - id: features_compatible
        type: u4
      - id: features_read_only_compatible
        type: u4
      - id: features_incompatible
        type: u4
      - id: num_rings
        type: u4
      - id: pool_bytes
        type: u8
      - id: next_id
        type: u8
      - size: 32
      - id: rings
        type: ring
        repeat: expr
        repeat-expr: num_rings
        doc: Ascending by their offsets.
  ring:
    seq:
      - id: offset
        type: u8
        doc: On the device.
      - id: bytes
        type: u8
      - id: id
        type: u8
        doc: Never given twice.
      - id: len_name
        type: u1
      - size: 7
      - id: padded_name
        size: 64
    instances:
      name:
        value: 'padded_name.to_s("UTF-8")'
