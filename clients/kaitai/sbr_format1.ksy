meta:
  id: sbr_format1
  title: shared-block-ring, format 1 (mirage shared-block-device 1.0)
  license: ISC
  endian: le
doc: |
  A ring of format 1, as FORMAT.md of shared-block-ring describes it. The sector size is not on the device, so it is a parameter. Records
  lie from `consumer.offset` to `producer.offset`, both modulo the length of `data`, and wrap around: a description in Kaitai Struct
  cannot follow them there; clients/python/sbr_read.py does.
params:
  - id: sector_size
    type: u4
seq:
  - id: magic
    contents: mirage shared-block-device 1.0
instances:
  producer:
    pos: sector_size
    size: sector_size
    type: pointer_sector
  consumer:
    pos: sector_size * 2
    size: sector_size
    type: pointer_sector
  data:
    pos: sector_size * 3
    size: _io.size - sector_size * 3
types:
  pointer_sector:
    seq:
      - id: offset
        type: s8
        doc: A count of bytes that only grows.
      - id: flag
        type: u1
        enum: flag
        doc: Of the producer `suspend_ack`, of the consumer `suspend`.
    instances:
      text:
        pos: 128
        size: 384
        type: str
        encoding: UTF-8
        doc: For people; padded with zeroes.
    enums:
      flag:
        1: 'true'
        2: 'false'
