// BITFIELD and BITFIELD_RO: integers of 1 to 64 bits anywhere in a value, read, set and added to, with a choice of what
// happens when one does not fit. Follows Redis' bitops.c, error texts included.
#include <cstring>
#include <vector>

#include "native/protocol/commands.h"
#include "native/protocol/numbers.h"

namespace crabkv::protocol {

namespace {

enum class Overflow : uint8_t { kWrap, kSaturate, kFail };
enum class Action : uint8_t { kGet, kSet, kAdd };

struct FieldOperation {
  Action action = Action::kGet;
  Overflow overflow = Overflow::kWrap;
  bool is_signed = false;
  uint32_t bits = 0;
  uint64_t offset = 0;
  int64_t operand = 0;
};

// Wide enough for any sum.
__extension__ typedef __int128 Wide;

constexpr char kBadType[] =
    "ERR Invalid bitfield type. Use something like i16 u8. Note that u64 is not supported but i64 is.";
constexpr char kBadOffset[] = "ERR bit offset is not an integer or out of range";

bool ReadType(std::string_view text, FieldOperation* operation) {
  if (text.empty() || (text[0] != 'i' && text[0] != 'u')) return false;
  operation->is_signed = text[0] == 'i';
  int64_t bits = 0;
  if (!ParseInteger(text.substr(1), &bits) || bits < 1 || bits > (operation->is_signed ? 64 : 63)) return false;
  operation->bits = static_cast<uint32_t>(bits);
  return true;
}

// "#n" counts in fields of this width.
bool ReadFieldOffset(const Call& call, std::string_view text, FieldOperation* operation) {
  const bool in_fields = !text.empty() && text[0] == '#';
  int64_t number = 0;
  if (!ParseInteger(text.substr(in_fields ? 1 : 0), &number) || number < 0) return false;
  uint64_t offset = static_cast<uint64_t>(number);
  if (in_fields && __builtin_mul_overflow(offset, uint64_t{operation->bits}, &offset)) return false;
  operation->offset = offset;
  return offset / 8 < call.value_bytes_max && (offset + operation->bits - 1) / 8 < call.value_bytes_max;
}

bool ReadOverflow(std::string_view word, Overflow* overflow) {
  if (Is(word, "WRAP")) return *overflow = Overflow::kWrap, true;
  if (Is(word, "SAT")) return *overflow = Overflow::kSaturate, true;
  if (Is(word, "FAIL")) return *overflow = Overflow::kFail, true;
  return false;
}

// Null, or the error.
const char* ReadOperations(const Call& call, bool read_only, std::vector<FieldOperation>* operations) {
  Overflow overflow = Overflow::kWrap;
  bool writes = false;
  for (size_t i = 2; i < call.size();) {
    const size_t left = call.size() - i - 1;
    FieldOperation operation;
    if (Is(call[i], "OVERFLOW") && left >= 1) {
      if (!ReadOverflow(call[i + 1], &overflow)) return "ERR Invalid OVERFLOW type specified";
      i += 2;
      continue;
    }
    if (Is(call[i], "GET") && left >= 2) {
      operation.action = Action::kGet;
    } else if (Is(call[i], "SET") && left >= 3) {
      operation.action = Action::kSet;
    } else if (Is(call[i], "INCRBY") && left >= 3) {
      operation.action = Action::kAdd;
    } else {
      return "ERR syntax error";
    }
    operation.overflow = overflow;
    if (!ReadType(call[i + 1], &operation)) return kBadType;
    if (!ReadFieldOffset(call, call[i + 2], &operation)) return kBadOffset;
    if (operation.action != Action::kGet) {
      writes = true;
      if (!ParseInteger(call[i + 3], &operation.operand)) return kNotAnInteger;
    }
    i += operation.action == Action::kGet ? 3 : 4;
    operations->push_back(operation);
  }
  return writes && read_only ? "ERR BITFIELD_RO only supports the GET subcommand" : nullptr;
}

// Bits behind the end are zeros.
int64_t ReadField(std::string_view value, const FieldOperation& operation) {
  uint64_t field = 0;
  for (uint64_t bit = operation.offset; bit < operation.offset + operation.bits; bit++) {
    const uint64_t byte = bit / 8;
    const uint64_t one = byte < value.size() ? (static_cast<uint8_t>(value[byte]) >> (7 - bit % 8)) & 1u : 0;
    field = field << 1 | one;
  }
  const uint32_t unused = 64 - operation.bits;
  if (!operation.is_signed || unused == 0) return static_cast<int64_t>(field);
  return static_cast<int64_t>(field << unused) >> unused;
}

void WriteField(char* value, const FieldOperation& operation, uint64_t field) {
  for (uint32_t i = 0; i < operation.bits; i++) {
    const uint64_t bit = operation.offset + operation.bits - 1 - i;
    const uint8_t mask = static_cast<uint8_t>(1u << (7 - bit % 8));
    const uint8_t before = static_cast<uint8_t>(value[bit / 8]);
    value[bit / 8] = static_cast<char>((field >> i & 1) != 0 ? before | mask : before & ~mask);
  }
}

// The sum (or, for SET, the operand) as the field can hold it; false when it cannot and the operation is to fail.
bool Fit(const FieldOperation& operation, int64_t old, uint64_t* field) {
  const int64_t base = operation.action == Action::kSet ? 0 : old;
  // A SET of an unsigned field takes a negative number for a large one, as Redis does.
  const bool huge = !operation.is_signed && operation.action == Action::kSet && operation.operand < 0;
  const Wide sum =
      huge ? static_cast<Wide>(static_cast<uint64_t>(operation.operand)) : static_cast<Wide>(base) + operation.operand;
  const Wide one = 1;
  const Wide least = operation.is_signed ? -(one << (operation.bits - 1)) : 0;
  const Wide most = (one << (operation.is_signed ? operation.bits - 1 : operation.bits)) - 1;
  *field = static_cast<uint64_t>(sum);
  if (sum >= least && sum <= most) return true;
  if (operation.overflow == Overflow::kFail) return false;
  if (operation.overflow == Overflow::kSaturate) *field = static_cast<uint64_t>(sum < least ? least : most);
  return true;
}

int64_t AsAnswer(const FieldOperation& operation, uint64_t field) {
  const uint32_t unused = 64 - operation.bits;
  if (operation.is_signed) return static_cast<int64_t>(field << unused) >> unused;
  return static_cast<int64_t>(field << unused >> unused);
}

Run RunBitField(Call& call, bool read_only) {
  std::vector<FieldOperation> operations;
  if (const char* error = ReadOperations(call, read_only, &operations); error != nullptr) return call.Error(error);
  KeyView old;
  if (!call.keys.Read(call[1], &old)) return Run::kStopped;
  uint64_t bytes = old.value.size();
  bool writes = false;
  for (const FieldOperation& operation : operations) {
    if (operation.action == Action::kGet) continue;
    writes = true;
    const uint64_t end = (operation.offset + operation.bits - 1) / 8 + 1;
    if (end > bytes) bytes = end;
  }
  if (!writes) call.LookedUp(call[1], old.found);
  std::string_view value = old.value;
  char* made = nullptr;
  if (writes) {
    made = call.keys.Allocate(bytes);
    old.value.copy(made, old.value.size());
    std::memset(made + old.value.size(), 0, bytes - old.value.size());
    value = std::string_view(made, bytes);
  }
  call.reply.Array(operations.size());
  for (const FieldOperation& operation : operations) {
    const int64_t before = ReadField(value, operation);
    uint64_t field = 0;
    if (operation.action == Action::kGet) {
      call.reply.Integer(before);
    } else if (!Fit(operation, before, &field)) {
      call.reply.Null();
    } else {
      WriteField(made, operation, field);
      call.reply.Integer(operation.action == Action::kSet ? before : AsAnswer(operation, field));
    }
  }
  // What is as it was is not written: WATCH would see a change, as it does not in Redis.
  const bool changed = writes && (!old.found || value != old.value);
  if (changed) call.Put("setbit", call[1], value, old.found ? old.expires_at_ms : call.default_deadline_ms());
  return Run::kDone;
}

}  // namespace

Run BitField(Call& call) { return RunBitField(call, false); }
Run BitFieldRo(Call& call) { return RunBitField(call, true); }

}  // namespace crabkv::protocol
