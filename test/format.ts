// A second implementation of native/FORMAT.md, for tests: enough to read a segment's records and to append a frame. Written from the
// document, not from the C++ code, so that the two check each other. Slow and simple.

const table = Array.from({ length: 256 }, (_, byte) => {
  let crc = byte;
  for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0x82f63b78 : crc >>> 1;
  return crc >>> 0;
});

/** CRC-32C of the parts, one behind the other. */
export function crc32c(...parts: Uint8Array[]): number {
  let crc = 0xffffffff;
  for (const part of parts) for (const byte of part) crc = (crc >>> 8) ^ table[(crc ^ byte) & 0xff]!;
  return (crc ^ 0xffffffff) >>> 0;
}

const SEGMENT_HEADER_BYTES = 128;
const FRAME_HEADER_BYTES = 56;
const RECORD_HEADER_BYTES = 40;
const FRAME_MAGIC = 0x6d724643;
export const DATA = 2;
export const SEAL = 4;
export const BLOCK = 5;
export const PUT = 1;
export const DEL = 2;
export const CODEC_SNAPPY = 1;
const END_OF_BATCH = 16;

export interface FormatRecord {
  readonly type: number;
  readonly codec: number;
  readonly key: Buffer;
  readonly stored: Buffer;
  readonly rawBytes: number;
  readonly lsn: bigint;
}

/** A record with its place in the segment. */
export interface PlacedRecord extends FormatRecord {
  readonly offset: number;
  readonly expiresAtMs: bigint;
}

export interface FormatFrame {
  readonly type: number;
  readonly offset: number;
  readonly end: number;
  readonly baseLsn: bigint;
  readonly count: number;
  readonly epoch: number;
  readonly clockMs: bigint;
  readonly crc: number;
  readonly records: PlacedRecord[];
}

const paddedTo8 = (bytes: number): number => Math.ceil(bytes / 8) * 8;
export const saltOf = (segment: Buffer): Buffer => segment.subarray(48, 56);

/** The frames of a segment, each checked; stops where there is none. */
export function readFrames(segment: Buffer): FormatFrame[] {
  const salt = saltOf(segment);
  const frames: FormatFrame[] = [];
  for (let offset = SEGMENT_HEADER_BYTES; offset + FRAME_HEADER_BYTES <= segment.length;) {
    const header = segment.subarray(offset, offset + FRAME_HEADER_BYTES);
    if (header.readUInt32LE(0) !== FRAME_MAGIC) break;
    if (crc32c(header.subarray(0, 52), salt) !== header.readUInt32LE(52)) throw new Error(`frame CRC at ${offset}`);
    const end = offset + FRAME_HEADER_BYTES + header.readUInt32LE(8);
    const payload = segment.subarray(offset + FRAME_HEADER_BYTES, end);
    frames.push({
      type: header[4]!,
      offset,
      end,
      count: header.readUInt32LE(12),
      baseLsn: header.readBigUInt64LE(16),
      clockMs: header.readBigUInt64LE(32),
      epoch: header.readUInt32LE(40),
      crc: header.readUInt32LE(52),
      records: header[4] === DATA || header[4] === BLOCK ? readRecords(payload, salt, offset + FRAME_HEADER_BYTES) : [],
    });
    offset = end;
  }
  return frames;
}

function readRecords(payload: Buffer, salt: Buffer, payloadOffset: number): PlacedRecord[] {
  const records: PlacedRecord[] = [];
  for (let at = 0; at < payload.length;) {
    const keyBytes = payload.readUInt32LE(at + 8);
    const storedBytes = payload.readUInt32LE(at + 12);
    const body = payload.subarray(at + RECORD_HEADER_BYTES, at + RECORD_HEADER_BYTES + keyBytes + storedBytes);
    const crc = crc32c(payload.subarray(at + 4, at + 32), body, payload.subarray(at + 32, at + 40), salt);
    if (crc !== payload.readUInt32LE(at)) throw new Error(`record CRC at ${at}`);
    records.push({
      type: payload[at + 4]!,
      codec: payload[at + 5]! & 0x0f,
      key: body.subarray(0, keyBytes),
      stored: body.subarray(keyBytes),
      rawBytes: payload.readUInt32LE(at + 16),
      expiresAtMs: payload.readBigUInt64LE(at + 24),
      lsn: payload.readBigUInt64LE(at + 32),
      offset: payloadOffset + at,
    });
    at += paddedTo8(RECORD_HEADER_BYTES + keyBytes + storedBytes);
  }
  return records;
}

/** What the MANIFEST says of a compacted segment. */
export interface FormatCompacted {
  readonly number: bigint;
  readonly salt: Buffer;
  readonly lowestLsn: bigint;
  readonly highestLsn: bigint;
  readonly horizon: bigint;
  readonly bytes: bigint;
  readonly firstLog: bigint;
  readonly lastLog: bigint;
}

/** The COMPACTED edit's segments; every edit's CRC is checked. */
export function readCompacted(manifest: Buffer): FormatCompacted[] {
  const COMPACTED = 4;
  const FIELDS = 10;
  const found: FormatCompacted[] = [];
  for (let at = 32; at + 16 <= manifest.length;) {
    const end = at + 16 + manifest.readUInt32LE(at + 12);
    if (crc32c(manifest.subarray(at + 4, end)) !== manifest.readUInt32LE(at)) throw new Error(`edit CRC at ${at}`);
    const isCompacted = manifest.readUInt32LE(at + 8) === COMPACTED;
    for (let entry = at + 16; isCompacted && entry < end; entry += 8 * FIELDS) {
      const field = (i: number): bigint => manifest.readBigUInt64LE(entry + 8 * i);
      found.push({
        number: field(0),
        salt: manifest.subarray(entry + 8, entry + 16),
        lowestLsn: field(2),
        highestLsn: field(3),
        horizon: field(4),
        bytes: field(5),
        firstLog: field(6),
        lastLog: field(7),
      });
    }
    at = end;
  }
  return found;
}

/** What a hint says of one key. */
export interface FormatHintEntry {
  readonly slot: number;
  readonly fingerprint: string;
  readonly type: number;
  /** Of a PUT's record in the segment. */
  readonly offset: number;
  readonly recordBytesMax: number;
  readonly expiresAtMs: bigint;
}

/** The entries of a hint of this segment; every CRC, and what binds it to the segment, is checked. */
export function readHint(hint: Buffer, segment: Buffer): FormatHintEntry[] {
  const HEAD_BYTES = 1024;
  if (hint.toString("latin1", 0, 8) !== "CrabKVht") throw new Error("magic");
  if (crc32c(hint.subarray(0, 1020)) !== hint.readUInt32LE(1020)) throw new Error("head CRC");
  const salt = saltOf(segment);
  if (!hint.subarray(32, 40).equals(salt)) throw new Error("salt");
  if (hint.readBigUInt64LE(24) !== segment.readBigUInt64LE(24)) throw new Error("number");
  if (hint.readBigUInt64LE(40) !== BigInt(segment.length)) throw new Error("length");
  const last = readFrames(segment).at(-1)!;
  const place = [hint.readUInt32LE(20), Number(hint.readBigUInt64LE(64)), Number(hint.readBigUInt64LE(72))];
  if (place.join() !== [last.type, last.end, last.offset].join()) throw new Error(`last frame: ${place.join()}`);
  if (hint.readUInt32LE(108) !== last.crc) throw new Error("last frame's CRC");
  const entries: FormatHintEntry[] = [];
  let at = HEAD_BYTES;
  for (let range = 0; range < 64; range++) {
    const described = 248 + 12 * range;
    const count = hint.readUInt32LE(described);
    const deadlinesAt = at + paddedTo8(20 * count);
    const end = deadlinesAt + 8 * hint.readUInt32LE(described + 4);
    const crc = crc32c(hint.subarray(at, end), salt);
    if (crc !== hint.readUInt32LE(described + 8)) throw new Error(`CRC of block ${range}`);
    let deadlineAt = deadlinesAt;
    for (; at < deadlinesAt - 19; at += 20) {
      const entry = readHintEntry(hint.subarray(at, at + 20), () => hint.readBigUInt64LE((deadlineAt += 8) - 8));
      if (entry.slot >> 8 !== range) throw new Error(`slot ${entry.slot} in block ${range}`);
      entries.push(entry);
    }
    at = end;
  }
  if (at !== hint.length) throw new Error("longer than it says");
  return entries;
}

function readHintEntry(bytes: Buffer, nextDeadline: () => bigint): FormatHintEntry {
  const bits = bytes.readBigUInt64LE(12);
  const field = (low: number, width: number): number => Number((bits >> BigInt(low)) & ((1n << BigInt(width)) - 1n));
  const sizeClass = field(30, 9);
  return {
    slot: field(50, 14),
    fingerprint: [0, 4, 8].map((at) => bytes.readUInt32LE(at).toString(16).padStart(8, "0")).join(""),
    type: field(48, 2),
    offset: 8 * field(0, 30),
    recordBytesMax:
      sizeClass < 32 ? 8 * sizeClass : 8 * (16 + (sizeClass % 16)) * 2 ** (Math.floor(sizeClass / 16) - 1),
    expiresAtMs: field(47, 1) === 1 ? nextDeadline() : 0n,
  };
}

/** One PUT, the only one of its batch. */
export function encodePut(record: Omit<FormatRecord, "type">, salt: Buffer): Buffer {
  const bytes = Buffer.alloc(paddedTo8(RECORD_HEADER_BYTES + record.key.length + record.stored.length));
  bytes[4] = PUT;
  bytes[5] = record.codec | END_OF_BATCH;
  bytes.writeUInt32LE(record.key.length, 8);
  bytes.writeUInt32LE(record.stored.length, 12);
  bytes.writeUInt32LE(record.rawBytes, 16);
  bytes.writeBigUInt64LE(record.lsn, 32);
  record.key.copy(bytes, 40);
  record.stored.copy(bytes, 40 + record.key.length);
  bytes.writeUInt32LE(crc32c(bytes.subarray(4, 32), record.key, record.stored, bytes.subarray(32, 40), salt), 0);
  return bytes;
}

/** A DATA frame behind `before` with encoded records. */
export function encodeDataFrame(before: FormatFrame, records: Buffer[], baseLsn: bigint, salt: Buffer): Buffer {
  const payload = Buffer.concat(records);
  const header = Buffer.alloc(FRAME_HEADER_BYTES);
  header.writeUInt32LE(FRAME_MAGIC, 0);
  header[4] = DATA;
  header.writeUInt16LE(FRAME_HEADER_BYTES, 6);
  header.writeUInt32LE(payload.length, 8);
  header.writeUInt32LE(records.length, 12);
  header.writeBigUInt64LE(baseLsn, 16);
  header.writeBigUInt64LE(0n, 24);
  header.writeBigUInt64LE(before.clockMs, 32);
  header.writeUInt32LE(before.epoch, 40);
  header.writeUInt32LE(before.crc, 44);
  header.writeUInt32LE(crc32c(...records.map((record) => record.subarray(0, 4))), 48);
  header.writeUInt32LE(crc32c(header.subarray(0, 52), salt), 52);
  return Buffer.concat([header, payload]);
}

/** The MANIFEST without its last edit, if that is the CLEAN of a clean close: as a crash would have left it. */
export function withoutCleanEnd(manifest: Buffer): Buffer {
  const CLEAN = 3;
  let last = 32;
  let end = 32;
  while (end + 16 <= manifest.length) {
    last = end;
    end += 16 + manifest.readUInt32LE(end + 12);
  }
  return manifest.readUInt32LE(last + 8) === CLEAN ? manifest.subarray(0, last) : manifest;
}
