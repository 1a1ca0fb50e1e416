// Many writes in one crossing. A batch is atomic and goes to Store::Write as one; PutEach is many independent puts.
// Keys and values come as columns (arguments.h), what differs between operations as a table of numbers.
#include <array>
#include <string>
#include <utility>
#include <vector>

#include "native/addon/arguments.h"
#include "native/addon/cold.h"
#include "native/addon/functions.h"

namespace crabkv::addon {

namespace {

// How many records before its turn a key's slot, and its entry there, are asked for.
constexpr size_t kSlotAhead = 8;
constexpr size_t kEntryAhead = 4;

// One row of the table for each operation: kind + 16 * guard + 256 * keep expiry, guard version, ttlMs.
constexpr size_t kRowNumbers = 3;

// Instead of a group.
constexpr double kNotResidentAnswer = -1;
constexpr double kTakenBackAnswer = -2;

// A batch and the memory that its views point into.
struct Batch {
  Scratch key_bytes;
  Scratch value_bytes;
  std::vector<std::string_view> keys;
  std::vector<std::string_view> values;
  std::vector<Operation> operations;
  uint64_t rollbacks = Store::kAnyRollbacks;  // see Store::Write
};

bool ReadRow(napi_env env, Handle& handle, const double* row, Operation* operation) {
  const double bits = row[0];
  if (!(bits >= 0 && bits < 512)) return ThrowTypeError(env, "rows: not an operation"), false;
  const auto packed = static_cast<uint32_t>(bits);
  if (packed % 16 > 3 || packed / 16 % 16 > 3) return ThrowTypeError(env, "rows: no such kind or guard"), false;
  operation->kind = static_cast<Operation::Kind>(packed % 16);
  operation->guard = static_cast<Guard>(packed / 16 % 16);
  operation->keep_expiry = packed / 256 == 1;
  if (!(row[1] >= 0 && row[1] <= 9007199254740991.0)) return ThrowRangeError(env, "version is out of range"), false;
  operation->guard_version = static_cast<uint64_t>(row[1]);
  return DeadlineOf(env, row[2], handle, &operation->expires_at_ms);
}

// Values may be undefined when no operation has one.
bool ReadValueColumn(Environment& environment, Handle& handle, napi_value data, napi_value lengths, Batch* batch) {
  batch->values.clear();
  if (IsUndefined(environment.env(), data)) {
    batch->values.resize(batch->keys.size());
    return true;
  }
  if (!ReadColumn(environment, data, lengths, "value", &batch->value_bytes, &batch->values)) return false;
  const Bound bound{handle.options().value_bytes_max, "valueBytesMax"};
  for (size_t i = 0; i < batch->values.size(); i++) {
    const size_t bytes = batch->values[i].size();
    if (bytes > bound.bytes_max) {
      return ThrowTooLarge(environment, "the value at index " + std::to_string(i), bytes, bound);
    }
  }
  return true;
}

// Arguments 1 to 6 of writeBatch: kind, keys, key lengths, values, value lengths, rows.
bool ReadBatch(const Call<9>& call, Handle& handle, Batch* batch) {
  Environment& environment = call.environment();
  uint64_t kind = 0;
  if (!ReadInteger(call.env, call[1], "kind", 3, &kind) ||
      !ReadKeyColumn(environment, call[2], call[3], kAnyKey, &batch->key_bytes, &batch->keys) ||
      !ReadValueColumn(environment, handle, call[4], call[5], batch)) {
    return false;
  }
  const size_t count = batch->keys.size();
  Span<double> rows;
  const bool has_rows = !IsUndefined(call.env, call[6]);
  if (has_rows && !ReadFloat64Array(call.env, call[6], "rows", &rows)) return false;
  if (batch->values.size() != count || (has_rows && rows.length != count * kRowNumbers)) {
    return ThrowRangeError(call.env, "the columns of a batch must be of one length"), false;
  }
  batch->operations.assign(count, Operation());
  const Bound new_key = NewKeyBound(handle);
  for (size_t i = 0; i < count; i++) {
    Operation& operation = batch->operations[i];
    operation.kind = static_cast<Operation::Kind>(kind);
    if (has_rows && !ReadRow(call.env, handle, rows.data + i * kRowNumbers, &operation)) return false;
    operation.key = batch->keys[i];
    if (operation.kind == Operation::Kind::kPut && !CheckKeyBytes(environment, i, operation.key, new_key)) return false;
    operation.value = batch->values[i];
  }
  return true;
}

// Undefined: whatever was taken back.
bool ReadRollbacks(napi_env env, napi_value value, Batch* batch) {
  return IsUndefined(env, value) || ReadInteger(env, value, "rollbacks", (uint64_t{1} << 53) - 1, &batch->rollbacks);
}

Status WriteOperations(Store& store, Batch* batch, DiskWait wait, Commit* commit) {
  if (batch->operations.empty()) return Status::Ok();  // nothing to write commits at once, at version 0
  return store.Write(batch->operations.data(), static_cast<uint32_t>(batch->operations.size()), wait, batch->rollbacks,
                     commit);
}

double GroupAnswer(const Batch& batch, const Commit& commit) {
  const bool taken_back = !commit.committed && commit.failed_index == batch.operations.size();
  return taken_back ? kTakenBackAnswer : static_cast<double>(commit.group);
}

void ReportCommit(Environment& environment, const Commit& commit) {
  environment.results()[kResultVersion] = static_cast<double>(commit.version);
  environment.results()[kResultCommitted] = commit.committed ? 1 : 0;
  environment.results()[kResultFailedIndex] = commit.failed_index;
}

// The scratch of hot batches lives in the environment between calls; a Batch borrows it for one.
class BorrowedScratch {
 public:
  BorrowedScratch(Environment& environment, Batch* batch) : environment_(environment), batch_(batch) {
    std::swap(batch->key_bytes, environment.key_scratch);
    std::swap(batch->value_bytes, environment.value_scratch);
  }
  ~BorrowedScratch() {
    std::swap(batch_->key_bytes, environment_.key_scratch);
    std::swap(batch_->value_bytes, environment_.value_scratch);
  }
  BorrowedScratch(const BorrowedScratch&) = delete;
  BorrowedScratch& operator=(const BorrowedScratch&) = delete;

 private:
  Environment& environment_;
  Batch* batch_;
};

// Columns of bytes that point into a caller's array become copies, because the job runs after the call.
void OwnViews(Scratch* scratch, std::vector<std::string_view>* views) {
  size_t total = 0;
  for (const std::string_view view : *views) total += view.size();
  Scratch own;
  own.Reserve(total);
  char* at = own.data();
  for (std::string_view& view : *views) {
    view.copy(at, view.size());
    view = std::string_view(at, view.size());
    at += view.size();
  }
  *scratch = std::move(own);
}

class ColdBatch : public Delivery {
 public:
  ColdBatch(uint32_t handle_id, napi_deferred deferred) : handle_id_(handle_id), deferred_(deferred) {}

  // Reader thread.
  void Run(Store& store) {
    status_ = WriteOperations(store, &batch, DiskWait::kAllowed, &commit_);
    store.Kick();
  }

  void Deliver(Environment& environment) override {
    environment.gate().Release();
    if (!status_.ok()) return Reject(environment, deferred_, status_);
    Handle* handle = environment.Find(handle_id_);
    if (handle != nullptr) handle->AwaitGroup(commit_.group);
    const double answer[] = {GroupAnswer(batch, commit_), static_cast<double>(commit_.version),
                             commit_.committed ? 1.0 : 0.0, static_cast<double>(commit_.failed_index)};
    const napi_value values = environment.MakeArray(4, [&](size_t index) -> napi_value {
      napi_value value;
      return napi_create_double(environment.env(), answer[index], &value) == napi_ok ? value : nullptr;
    });
    Resolve(environment, deferred_, values);
  }

  Batch batch;

 private:
  const uint32_t handle_id_;
  const napi_deferred deferred_;
  Status status_;
  Commit commit_;
};

}  // namespace

// writeBatch(handle, kind, keys, keyLengths, values, valueLengths, rows, rollbacks, existed): number, the group; -1
// when a guard needs a page that may not be in memory; -2 when rollbacks(handle) is not `rollbacks`, if that is given.
// `existed`, when given, is filled with one flag for each operation.
napi_value WriteBatch(napi_env env, napi_callback_info info) {
  Call<9> call(env, info);
  Handle* handle = call.handle();
  if (handle == nullptr) return nullptr;
  Environment& environment = call.environment();
  Batch batch;
  BorrowedScratch borrowed(environment, &batch);
  if (!ReadBatch(call, *handle, &batch) || !ReadRollbacks(env, call[7], &batch)) return nullptr;
  Span<uint8_t> existed;
  if (!IsUndefined(env, call[8]) && !ReadUint8Array(env, call[8], "existed", &existed)) return nullptr;
  Commit commit;
  const Status status = WriteOperations(handle->store(), &batch, DiskWait::kNever, &commit);
  double answer = GroupAnswer(batch, commit);
  if (status.Is(Code::kNotResident)) {
    answer = kNotResidentAnswer;
  } else if (!status.ok()) {
    return ThrowStatus(environment, DescribeBusy(*handle, status));
  }
  handle->AwaitGroup(commit.group);
  ReportCommit(environment, commit);
  for (size_t i = 0; i < existed.length && i < batch.operations.size(); i++) {
    existed.data[i] = batch.operations[i].existed ? 1 : 0;
  }
  napi_value group;
  return napi_create_double(env, answer, &group) == napi_ok ? group : nullptr;
}

// writeBatchCold(the same, without `existed`): Promise<[group, version, committed, failedIndex]>, from a reader thread.
napi_value WriteBatchCold(napi_env env, napi_callback_info info) {
  Call<9> call(env, info);
  Handle* handle = call.handle();
  napi_deferred deferred;
  napi_value promise;
  if (handle == nullptr || napi_create_promise(env, &deferred, &promise) != napi_ok) return nullptr;
  auto cold = std::make_unique<ColdBatch>(handle->id(), deferred);
  if (!ReadBatch(call, *handle, &cold->batch) || !ReadRollbacks(env, call[7], &cold->batch)) return nullptr;
  OwnViews(&cold->batch.key_bytes, &cold->batch.keys);
  OwnViews(&cold->batch.value_bytes, &cold->batch.values);
  for (size_t i = 0; i < cold->batch.operations.size(); i++) {
    cold->batch.operations[i].key = cold->batch.keys[i];
    cold->batch.operations[i].value = cold->batch.values[i];
  }
  SubmitDelivery(call.environment(), *handle, deferred, std::move(cold));
  return promise;
}

// putEach(handle, from, keys, keyLengths, values, valueLengths, ttls | ttlMs): number of records taken, counted from
// `from`. Fewer than given when pendingBytesMax is reached (result busy): the rest is to be put when onCommit says that
// there is room. Or fewer because of an error, which is thrown when the rest is put.
napi_value PutEach(napi_env env, napi_callback_info info) {
  Call<7> call(env, info);
  Handle* handle = call.handle();
  if (handle == nullptr) return nullptr;
  Environment& environment = call.environment();
  Batch batch;
  BorrowedScratch borrowed(environment, &batch);
  uint64_t from = 0;
  if (!ReadInteger(env, call[1], "from", UINT32_MAX, &from) ||
      !ReadKeyColumn(environment, call[2], call[3], NewKeyBound(*handle), &batch.key_bytes, &batch.keys) ||
      !ReadValueColumn(environment, *handle, call[4], call[5], &batch)) {
    return nullptr;
  }
  double ttl_ms = 0;
  Span<double> ttls;
  const bool same_ttl = napi_get_value_double(env, call[6], &ttl_ms) == napi_ok;
  if (!same_ttl && !ReadFloat64Array(env, call[6], "ttls", &ttls)) return nullptr;
  if (batch.values.size() != batch.keys.size() || (!same_ttl && ttls.length != batch.keys.size())) {
    return ThrowRangeError(env, "the columns of a batch must be of one length");
  }
  double* results = environment.results();
  results[kResultFirstGroup] = results[kResultLastGroup] = results[kResultBusy] = 0;
  uint64_t taken = 0;
  std::array<KeyHash, kSlotAhead + 1> hashes;
  const auto hash_of = [&hashes](size_t i) -> KeyHash& { return hashes[i % hashes.size()]; };
  size_t hashed = from;
  for (size_t i = from; i < batch.keys.size(); i++, taken++) {
    uint64_t expires_at_ms = 0;
    if (!DeadlineOf(env, same_ttl ? ttl_ms : ttls.data[i], *handle, &expires_at_ms)) return nullptr;
    Commit commit;
    for (; hashed < batch.keys.size() && hashed <= i + kSlotAhead; hashed++) {
      hash_of(hashed) = handle->store().PrefetchSlot(batch.keys[hashed]);
    }
    if (i + kEntryAhead < hashed) handle->store().PrefetchEntry(hash_of(i + kEntryAhead));
    const Status status = handle->store().Put(batch.keys[i], hash_of(i), batch.values[i], expires_at_ms, &commit);
    if (status.Is(Code::kBusy)) {
      handle->AwaitRoom();
      results[kResultBusy] = 1;
      break;
    }
    if (!status.ok() && taken == 0) return ThrowStatus(environment, status);
    if (!status.ok()) break;
    if (taken == 0) results[kResultFirstGroup] = static_cast<double>(commit.group);
    results[kResultLastGroup] = static_cast<double>(commit.group);
    handle->AwaitGroup(commit.group);
  }
  napi_value count;
  return napi_create_double(env, static_cast<double>(taken), &count) == napi_ok ? count : nullptr;
}

}  // namespace crabkv::addon
