#include "native/core/dump.h"

#include <cstdarg>
#include <cstdio>

#include "native/core/frame_reader.h"

namespace crabkv {

namespace {
constexpr uint64_t kShownBytesMax = 64;  // of a key or value

[[gnu::format(printf, 2, 3)]] void AppendFormat(std::string* text, const char* format, ...) {
  char line[256];
  va_list arguments;
  va_start(arguments, format);
  std::vsnprintf(line, sizeof(line), format, arguments);
  va_end(arguments);
  text->append(line);
}

// Quoted, with everything but printable ASCII escaped.
void AppendQuoted(std::string* text, std::string_view bytes) {
  text->push_back('"');
  for (char c : bytes.substr(0, kShownBytesMax)) {
    if (c == '"' || c == '\\') {
      text->push_back('\\');
      text->push_back(c);
    } else if (c >= 0x20 && c < 0x7f) {
      text->push_back(c);
    } else {
      AppendFormat(text, "\\x%02x", static_cast<unsigned>(static_cast<unsigned char>(c)));
    }
  }
  text->push_back('"');
  if (bytes.size() > kShownBytesMax) AppendFormat(text, "... (%zu bytes)", bytes.size());
}

const char* NameOf(FrameType type) {
  switch (type) {
    case FrameType::kStart:
      return "START";
    case FrameType::kData:
      return "DATA";
    case FrameType::kWatermark:
      return "WATERMARK";
    case FrameType::kSeal:
      return "SEAL";
    case FrameType::kBlock:
      return "BLOCK";
  }
  return "?";
}

void AppendRecord(std::string* text, const Frame& frame, const RecordHeader& record, uint64_t at) {
  const char* names[] = {"?", "PUT", "DEL", "EXPIRE"};
  AppendFormat(text, "  %8llu  lsn %llu  %-6s ",
               static_cast<unsigned long long>(frame.offset + FrameHeader::kBytes + at),
               static_cast<unsigned long long>(record.lsn), names[static_cast<size_t>(record.type)]);
  AppendQuoted(text, frame.payload.substr(at + RecordHeader::kBytes, record.key_bytes));
  if (record.type == RecordType::kPut) {
    text->append(" = ");
    if ((record.flags & kRecordCodecMask) == 0) {
      AppendQuoted(text, frame.payload.substr(at + RecordHeader::kBytes + record.key_bytes, record.stored_bytes));
    } else {
      AppendFormat(text, "(snappy, %u of %u bytes)", record.stored_bytes, record.raw_bytes);
    }
  }
  if (record.expires_at_ms != 0) {
    AppendFormat(text, "  expires %llu", static_cast<unsigned long long>(record.expires_at_ms));
  }
  if ((record.flags & kRecordEndOfBatch) != 0) text->append("  end-of-batch");
  if ((record.flags & kRecordMoved) != 0) text->append("  moved");
  text->push_back('\n');
}

void AppendFrame(std::string* text, const Frame& frame) {
  const FrameHeader& h = frame.header;
  AppendFormat(
      text,
      "%10llu  %-9s epoch %u  base %llu  count %u  durable %llu  clock %llu  bytes %llu  crc %08x  previous %08x%s\n",
      static_cast<unsigned long long>(frame.offset), NameOf(h.type), h.epoch,
      static_cast<unsigned long long>(h.base_lsn), h.count, static_cast<unsigned long long>(h.durable_lsn),
      static_cast<unsigned long long>(h.clock_ms), static_cast<unsigned long long>(h.frame_bytes()), h.crc,
      h.previous_crc, (h.flags & kFrameSkipsLsns) != 0 ? "  skips" : "");
  if (h.type == FrameType::kStart) {
    const StartPayload start = DecodeStart(frame.payload.data());
    AppendFormat(text, "            continues segment %llu salt %016llx after lsn %llu\n",
                 static_cast<unsigned long long>(start.previous_number),
                 static_cast<unsigned long long>(start.previous_salt),
                 static_cast<unsigned long long>(start.previous_last_lsn));
  } else if (h.type == FrameType::kSeal) {
    const SealPayload seal = DecodeSeal(frame.payload.data());
    AppendFormat(text, "            puts %llu  deletes %llu  expires %llu  lsns %llu..%llu\n",
                 static_cast<unsigned long long>(seal.puts), static_cast<unsigned long long>(seal.deletes),
                 static_cast<unsigned long long>(seal.expires), static_cast<unsigned long long>(seal.first_lsn),
                 static_cast<unsigned long long>(seal.last_lsn));
  } else if (h.count != 0) {
    ForEachRecord(frame.payload,
                  [&](const RecordHeader& record, uint64_t at) { AppendRecord(text, frame, record, at); });
  }
}
}  // namespace

Status DumpSegment(Env* env, const std::string& path, uint64_t from_offset, uint32_t frames_max, std::string* text,
                   uint64_t* next_offset) {
  *next_offset = 0;
  std::unique_ptr<File> file;
  CRABKV_RETURN_IF_ERROR(env->OpenFile(path, OpenMode::kRead, &file));
  char bytes[SegmentHeader::kBytes];
  uint64_t got = 0;
  uint64_t size = 0;
  CRABKV_RETURN_IF_ERROR(file->Size(&size));
  CRABKV_RETURN_IF_ERROR(file->ReadAt(0, sizeof(bytes), bytes, &got));
  SegmentHeader header;
  CRABKV_RETURN_IF_ERROR(DecodeSegmentHeader(std::string_view(bytes, got), path, &header));
  if (from_offset == 0) {
    AppendFormat(text, "segment %llu  %s  store %016llx%016llx  salt %016llx\n",
                 static_cast<unsigned long long>(header.number), header.kind == SegmentKind::kLog ? "log" : "compacted",
                 static_cast<unsigned long long>(header.store_id.high),
                 static_cast<unsigned long long>(header.store_id.low), static_cast<unsigned long long>(header.salt));
    from_offset = SegmentHeader::kBytes;
  }
  FrameReader reader(file.get(), path, header.salt, from_offset, size);
  for (uint32_t i = 0; i < frames_max; i++) {
    Frame frame;
    FrameReader::Result result;
    std::string why;
    CRABKV_RETURN_IF_ERROR(reader.Next(&result, &frame, &why));
    if (result == FrameReader::Result::kEnd) return Status::Ok();
    if (result == FrameReader::Result::kBad) {
      AppendFormat(text, "%10llu  BAD       %s\n", static_cast<unsigned long long>(reader.offset()), why.c_str());
      return Status::Corruption(path, reader.offset(), why);
    }
    AppendFrame(text, frame);
    if (frame.header.type == FrameType::kSeal) return Status::Ok();
  }
  *next_offset = reader.offset();
  return Status::Ok();
}

}  // namespace crabkv
