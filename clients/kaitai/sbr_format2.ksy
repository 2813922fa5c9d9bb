meta:
  id: sbr_format2
  title: shared-block-ring, format 2 (SBRING2)
  license: ISC
  endian: le
doc: |
  A ring of format 2, as FORMAT.md of shared-block-ring describes it: superblocks, slots, leases, and of each batch its header and table. The
  block size is read from the first superblock, which therefore has to be sound. What a description in Kaitai Struct cannot express: checksums; which slot and
  which batches count; batches that wrap around the end of the data area (their tables are left out); masks (words of a table beyond
  the first 512 bytes of a batch, and of items, are as they are stored). clients/python/sbr_read.py does all of that.
instances:
  guard:
    pos: 0
    type: guard
  first_superblock:
    value: |
      magic_at_12288 == 0x49524253 ? 12288 :
      magic_at_16384 == 0x49524253 ? 16384 :
      magic_at_32768 == 0x49524253 ? 32768 : 65536
    doc: G in FORMAT.md; it grows with the block size.
  magic_at_12288:
    pos: 12288
    type: u4
  magic_at_16384:
    pos: 16384
    type: u4
  magic_at_32768:
    pos: 32768
    type: u4
  block_size:
    pos: first_superblock + 48
    type: u4
  unit:
    value: 'block_size < 4096 ? 4096 : block_size'
  superblocks:
    pos: 0
    type: superblock_at(first_superblock + unit * _index)
    repeat: expr
    repeat-expr: 2
  last_superblock:
    pos: 0
    type: superblock_at(superblocks[0].block.device_bytes / unit * unit - unit)
  producer_slots:
    pos: 0
    type: producer_slot_at(first_superblock + unit * (2 + _index))
    repeat: expr
    repeat-expr: 2
  consumer_slots:
    pos: 0
    type: consumer_slot_at(first_superblock + unit * (4 + _index))
    repeat: expr
    repeat-expr: 2
  leases:
    pos: 0
    type: lease_at(first_superblock + unit * (6 + _index))
    repeat: expr
    repeat-expr: 2
    doc: Of the producer and of the consumer.
  blocks:
    pos: 0
    type: block_at(superblocks[0].block.data_start + block_size * _index, superblocks[0].block.data_start + block_size * superblocks[0].block.data_blocks)
    repeat: expr
    repeat-expr: superblocks[0].block.data_blocks
    doc: Blocks of the data area; block n of the log is the one at n modulo their number.
types:
  guard:
    seq:
      - id: magic
        contents: mirage shared-block-device 1.0
    instances:
      text:
        pos: 128
        size: 70
        type: str
        encoding: ASCII
  superblock_at:
    params:
      - id: at
        type: u8
    instances:
      block:
        pos: at
        type: superblock
  producer_slot_at:
    params:
      - id: at
        type: u8
    instances:
      block:
        pos: at
        type: producer_slot
  consumer_slot_at:
    params:
      - id: at
        type: u8
    instances:
      block:
        pos: at
        type: consumer_slot
  lease_at:
    params:
      - id: at
        type: u8
    instances:
      is_leased:
        pos: at
        type: u1
      block:
        pos: at
        type: lease
        if: is_leased != 0
  block_at:
    params:
      - id: at
        type: u8
      - id: end
        type: u8
    instances:
      magic:
        pos: at
        type: u4
      batch:
        pos: at
        type: batch(at, end)
        if: magic == 0x42524253
        doc: A block that begins so may still be a part of a batch before it, or of an earlier lap.
  metadata_header:
    doc: What every superblock, slot and lease begins with.
    seq:
      - id: magic
        contents: ['SBRING2', 0]
      - id: crc
        type: u4
        doc: CRC-32C of the block, with this field zero.
      - id: kind
        type: u1
        enum: kind
      - size: 3
      - id: offset
        type: u8
        doc: Where the block is on the device.
      - id: uuid
        size: 16
      - id: generation
        type: u8
        doc: Of two slots the higher one counts.
      - id: block_size
        type: u4
      - size: 12
    enums:
      kind:
        1: superblock
        2: producer_slot
        3: consumer_slot
        4: lease
  superblock:
    seq:
      - id: header
        type: metadata_header
      - id: features_compatible
        type: u4
      - id: features_read_only_compatible
        type: u4
      - id: features_incompatible
        type: u4
        doc: Bit 0, the producer overwrites the oldest items.
      - id: block_size
        type: u4
      - id: device_bytes
        type: u8
        doc: When the ring was made.
      - id: data_start
        type: u8
      - id: data_blocks
        type: u8
      - id: checksum_algorithm
        type: u4
        doc: 1 is CRC-32C.
      - id: len_name
        type: u2
      - size: 18
      - id: name
        size: 256
        type: str
        encoding: UTF-8
        doc: Padded with zeroes.
  log_position:
    seq:
      - id: lsn
        type: u8
        doc: Blocks before it, since the ring was made.
      - id: sequence
        type: u8
        doc: Items before it.
      - id: bytes
        type: u8
        doc: Bytes of these, modulo 2^48.
      - id: crc
        type: u4
        doc: Of the batch before.
  producer_slot:
    seq:
      - id: header
        type: metadata_header
      - id: epoch
        type: u8
      - id: committed
        type: log_position
      - size: 8
      - id: suspend_ack
        type: u1
      - size: 1
      - id: num_epochs
        type: u2
      - id: len_text
        type: u2
      - size: 6
      - id: reach
        type: u8
      - id: time
        type: u8
      - id: commits
        type: u8
      - id: full_pushes
        type: u8
      - id: truncated_to
        type: log_position
      - size: 4
      - id: text
        size: 64
        type: str
        encoding: UTF-8
      - id: epochs
        type: epoch
        repeat: expr
        repeat-expr: num_epochs
  epoch:
    seq:
      - id: number
        type: u8
      - id: start
        type: log_position
      - id: span
        type: u4
  consumer_slot:
    seq:
      - id: header
        type: metadata_header
      - id: epoch
        type: u8
      - id: cursor
        type: log_position
      - size: 4
      - id: acknowledged
        type: u4
        doc: Items of the cursor's batch.
      - id: suspend
        type: u1
      - size: 3
      - id: len_text
        type: u2
      - size: 6
      - id: bytes
        type: u8
        doc: Bytes of the items before the next one, modulo 2^48.
      - id: time
        type: u8
      - id: damaged_items
        type: u8
      - id: missed_items
        type: u8
      - size: 32
      - id: text
        size: 64
        type: str
        encoding: UTF-8
  lease:
    seq:
      - id: header
        type: metadata_header
      - id: times_taken
        type: u8
      - id: time
        type: u8
      - id: nonce
        size: 8
      - id: timeout_ms
        type: u4
      - id: state
        type: u1
        enum: state
      - id: len_owner
        type: u1
      - size: 2
      - id: owner
        size: 64
        type: str
        encoding: ASCII
    enums:
      state:
        1: held
        2: free
        3: unconfirmed
  batch:
    params:
      - id: at
        type: u8
      - id: end
        type: u8
    seq:
      - id: magic
        contents: SBRB
      - id: crc
        type: u4
        doc: Of bytes 8 to 79.
      - id: lsn
        type: u8
      - id: epoch
        type: u8
      - id: sequence
        type: u8
        doc: Items before it.
      - id: bytes
        type: u8
        doc: Bytes of these, modulo 2^48.
      - id: committed_to
        type: u8
      - id: time
        type: u8
      - id: crc_before
        type: u4
        doc: Of the batch before.
      - id: crc_uuid
        type: u4
      - id: num_items
        type: u4
      - id: len_items
        type: u4
      - id: crc_table
        type: u4
      - id: mask
        size: 4
      - id: table
        type: table_entry
        repeat: expr
        repeat-expr: num_items
        if: at + 80 + 8 * num_items <= end
        doc: Absent if it wraps around the end of the data area.
  table_entry:
    seq:
      - id: len_item
        type: u4
      - id: crc
        type: u4
