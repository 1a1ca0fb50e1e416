// Bits of values: SETBIT, GETBIT, BITCOUNT, BITPOS, BITOP. Bit 0 is the highest of byte 0, as in Redis. A value is
// bounded (valueBytesMax), so these end within a turn.
#include <cstring>

#include "native/protocol/commands.h"
#include "native/protocol/numbers.h"

namespace crabkv::protocol {

namespace {

constexpr char kBadOffset[] = "ERR bit offset is not an integer or out of range";

bool ReadOffset(const Call& call, std::string_view text, uint64_t* offset) {
  int64_t number = 0;
  if (!ParseInteger(text, &number) || number < 0) return false;
  *offset = static_cast<uint64_t>(number);
  return *offset / 8 < call.value_bytes_max;
}

bool BitAt(std::string_view value, uint64_t bit) {
  const uint64_t byte = bit / 8;
  return byte < value.size() && ((static_cast<uint8_t>(value[byte]) >> (7 - bit % 8)) & 1) != 0;
}

int64_t CountBits(std::string_view bytes) {
  int64_t count = 0;
  while (bytes.size() >= 8) {
    uint64_t word = 0;
    std::memcpy(&word, bytes.data(), 8);
    count += __builtin_popcountll(word);
    bytes.remove_prefix(8);
  }
  for (const char byte : bytes) count += __builtin_popcount(static_cast<uint8_t>(byte));
  return count;
}

// A range of bits of a value, from arguments in bytes or bits that may count from the end.
struct BitRange {
  int64_t first = 0;
  int64_t last = -1;  // inclusive; below `first` for none
};

BitRange MakeRange(int64_t start, int64_t end, bool in_bits, uint64_t value_bytes) {
  const int64_t total = static_cast<int64_t>(value_bytes) * (in_bits ? 8 : 1);
  if (start < 0) start = start < -total ? 0 : start + total;
  if (end < 0) end = end < -total ? 0 : end + total;
  if (end >= total) end = total - 1;
  if (start > end) return BitRange();
  return in_bits ? BitRange{start, end} : BitRange{start * 8, end * 8 + 7};
}

// BYTE or BIT; false for any other word.
bool ReadUnit(std::string_view word, bool* in_bits) {
  *in_bits = Is(word, "BIT");
  return *in_bits || Is(word, "BYTE");
}

int64_t CountRange(std::string_view value, BitRange range) {
  int64_t count = 0;
  while (range.first <= range.last && range.first % 8 != 0) {
    count += BitAt(value, static_cast<uint64_t>(range.first++)) ? 1 : 0;
  }
  while (range.first <= range.last && range.last % 8 != 7) {
    count += BitAt(value, static_cast<uint64_t>(range.last--)) ? 1 : 0;
  }
  if (range.first > range.last) return count;
  const size_t begin = static_cast<size_t>(range.first / 8);
  return count + CountBits(value.substr(begin, static_cast<size_t>(range.last / 8) + 1 - begin));
}

// The first such bit of the range; -1 for none.
int64_t FindBit(std::string_view value, BitRange range, bool wanted) {
  const char skipped = wanted ? '\0' : '\xff';
  for (int64_t bit = range.first; bit <= range.last;) {
    if (bit % 8 == 0 && bit + 7 <= range.last && value[static_cast<size_t>(bit / 8)] == skipped) {
      bit += 8;
      continue;
    }
    if (BitAt(value, static_cast<uint64_t>(bit)) == wanted) return bit;
    bit++;
  }
  return -1;
}

enum class BitOperation : uint8_t { kAnd, kOr, kXor, kNot };

bool ReadOperation(std::string_view word, BitOperation* operation) {
  if (Is(word, "AND")) return *operation = BitOperation::kAnd, true;
  if (Is(word, "OR")) return *operation = BitOperation::kOr, true;
  if (Is(word, "XOR")) return *operation = BitOperation::kXor, true;
  if (Is(word, "NOT")) return *operation = BitOperation::kNot, true;
  return false;
}

// Sources shorter than the result go on with zeros.
void Combine(BitOperation operation, std::string_view source, char* result, uint64_t bytes) {
  for (uint64_t i = 0; i < bytes; i++) {
    const uint8_t in = i < source.size() ? static_cast<uint8_t>(source[i]) : 0;
    uint8_t out = static_cast<uint8_t>(result[i]);
    if (operation == BitOperation::kAnd) out = out & in;
    if (operation == BitOperation::kOr) out = out | in;
    if (operation == BitOperation::kXor) out = out ^ in;
    result[i] = static_cast<char>(out);
  }
}

}  // namespace

Run SetBit(Call& call) {
  uint64_t offset = 0;
  int64_t bit = 0;
  if (!ReadOffset(call, call[2], &offset)) return call.Error(kBadOffset);
  if (!ParseInteger(call[3], &bit) || (bit != 0 && bit != 1)) {
    return call.Error("ERR bit is not an integer or out of range");
  }
  KeyView old;
  if (!call.keys.Read(call[1], &old)) return Run::kStopped;
  const uint64_t byte = offset / 8;
  // What is as it was is not written: WATCH would see a change, as it does not in Redis.
  if (byte < old.value.size() && BitAt(old.value, offset) == (bit == 1)) {
    call.reply.Integer(bit);
    return Run::kDone;
  }
  const uint64_t bytes = byte < old.value.size() ? old.value.size() : byte + 1;
  char* const value = call.keys.Allocate(bytes);
  old.value.copy(value, old.value.size());
  std::memset(value + old.value.size(), 0, bytes - old.value.size());
  const uint8_t mask = static_cast<uint8_t>(1u << (7 - offset % 8));
  const uint8_t before = static_cast<uint8_t>(value[byte]);
  value[byte] = static_cast<char>(bit == 1 ? before | mask : before & ~mask);
  call.Put("setbit", call[1], std::string_view(value, bytes),
           old.found ? old.expires_at_ms : call.default_deadline_ms());
  call.reply.Integer((before & mask) != 0 ? 1 : 0);
  return Run::kDone;
}

Run GetBit(Call& call) {
  uint64_t offset = 0;
  if (!ReadOffset(call, call[2], &offset)) return call.Error(kBadOffset);
  KeyView view;
  if (!call.keys.Read(call[1], &view)) return Run::kStopped;
  call.LookedUp(call[1], view.found);
  call.reply.Integer(BitAt(view.value, offset) ? 1 : 0);
  return Run::kDone;
}

Run BitCount(Call& call) {
  KeyView view;
  if (!call.keys.Read(call[1], &view)) return Run::kStopped;
  call.LookedUp(call[1], view.found);
  if (!view.found) {
    call.reply.Integer(0);
    return Run::kDone;
  }
  int64_t start = 0;
  int64_t end = -1;
  bool in_bits = false;
  if (call.size() == 3 || call.size() > 5) return call.SyntaxError();
  if (call.size() > 3 && (!ParseInteger(call[2], &start) || !ParseInteger(call[3], &end))) {
    return call.Error(kNotAnInteger);
  }
  const bool backwards = start < 0 && end < 0 && start > end;
  if (!backwards && call.size() == 5 && !ReadUnit(call[4], &in_bits)) return call.SyntaxError();
  const BitRange range = backwards ? BitRange() : MakeRange(start, end, in_bits, view.value.size());
  call.reply.Integer(CountRange(view.value, range));
  return Run::kDone;
}

Run BitPos(Call& call) {
  int64_t bit = 0;
  if (!ParseInteger(call[2], &bit)) return call.Error(kNotAnInteger);
  if (bit != 0 && bit != 1) return call.Error("ERR The bit argument must be 1 or 0.");
  KeyView view;
  if (!call.keys.Read(call[1], &view)) return Run::kStopped;
  call.LookedUp(call[1], view.found);
  if (!view.found) {
    call.reply.Integer(bit == 1 ? -1 : 0);
    return Run::kDone;
  }
  int64_t start = 0;
  int64_t end = -1;
  bool in_bits = false;
  if (call.size() > 6) return call.SyntaxError();
  if (call.size() >= 4 && !ParseInteger(call[3], &start)) return call.Error(kNotAnInteger);
  if (call.size() == 6 && !ReadUnit(call[5], &in_bits)) return call.SyntaxError();
  if (call.size() >= 5 && !ParseInteger(call[4], &end)) return call.Error(kNotAnInteger);
  const BitRange range = MakeRange(start, end, in_bits, view.value.size());
  int64_t found = FindBit(view.value, range, bit == 1);
  // A value goes on with zeros for ever, unless the caller says where it ends.
  if (found == -1 && bit == 0 && call.size() < 5 && range.first <= range.last) found = range.last + 1;
  call.reply.Integer(found);
  return Run::kDone;
}

Run BitOp(Call& call) {
  BitOperation operation = BitOperation::kAnd;
  if (!ReadOperation(call[1], &operation)) return call.SyntaxError();
  if (operation == BitOperation::kNot && call.size() != 4) {
    return call.Error("ERR BITOP NOT must be called with a single source key.");
  }
  std::vector<std::string_view> sources;
  uint64_t bytes = 0;
  for (size_t i = 3; i < call.size(); i++) {
    KeyView view;
    if (!call.keys.Read(call[i], &view)) return Run::kStopped;
    call.LookedUp(call[i], view.found);
    sources.push_back(view.value);
    if (view.value.size() > bytes) bytes = view.value.size();
  }
  call.reply.Integer(static_cast<int64_t>(bytes));
  if (bytes == 0) {
    KeyView target;
    if (!call.keys.Look(call[2], &target)) return Run::kStopped;
    if (target.found) call.Delete(call[2]);
    return Run::kDone;
  }
  char* const result = call.keys.Allocate(bytes);
  std::memset(result, 0, bytes);
  sources[0].copy(result, sources[0].size());
  for (size_t i = 1; i < sources.size(); i++) Combine(operation, sources[i], result, bytes);
  for (uint64_t i = 0; operation == BitOperation::kNot && i < bytes; i++) result[i] = static_cast<char>(~result[i]);
  call.Put("set", call[2], std::string_view(result, bytes), call.default_deadline_ms());
  return Run::kDone;
}

}  // namespace crabkv::protocol
