// Verifications, repairs and restorations: each on a native thread of its own, answered through the gate.
#include <string>
#include <utility>

#include "native/addon/arguments.h"
#include "native/addon/functions.h"
#include "native/addon/object_writer.h"
#include "native/addon/text.h"
#include "native/core/env.h"
#include "native/core/repair.h"
#include "native/core/restore.h"
#include "native/core/verify.h"

namespace crabkv::addon {

namespace {

napi_value MakeFault(Environment& environment, const Fault& fault) {
  napi_env env = environment.env();
  ObjectWriter writer(env);
  writer.Text("file", fault.file);
  writer.Number("offset", fault.offset);
  writer.Number("bytes", fault.bytes);
  writer.Text("what", fault.what);
  writer.Number("firstVersion", fault.first_lsn);
  writer.Number("lastVersion", fault.last_lsn);
  writer.Flag("dataLost", fault.data_lost);
  writer.Value("keys", environment.MakeArray(fault.keys.size(),
                                             [&](size_t index) { return MakeBuffer(env, fault.keys[index]); }));
  writer.Number("keyCount", fault.key_count);
  return writer.object();
}

void WriteReport(Environment& environment, const VerifyReport& report, ObjectWriter* writer) {
  writer->Number("files", report.files);
  writer->Number("bytes", report.bytes);
  writer->Number("frames", report.frames);
  writer->Number("records", report.records);
  writer->Number("lastVersion", report.last_lsn);
  writer->Value("faults", environment.MakeArray(report.faults.size(), [&](size_t index) {
    return MakeFault(environment, report.faults[index]);
  }));
  writer->Number("faultCount", report.fault_count);
  if (report.unfinished_file.empty()) return;
  ObjectWriter unfinished(environment.env());
  unfinished.Text("file", report.unfinished_file);
  unfinished.Number("offset", report.unfinished_offset);
  writer->Value("unfinished", unfinished.object());
}

// A check of what is on disk, or a repair: what a thread of its own does before the answer is delivered.
class TaskDelivery : public Delivery {
 public:
  TaskDelivery(napi_deferred deferred, uint32_t token) : deferred_(deferred), token_(token) {}

  // Native thread.
  void Run(const Tasks::Flag& flag) {
    status_ = Work([&flag](uint64_t) { return !flag->load(std::memory_order_relaxed); });
  }

  void Deliver(Environment& environment) override {
    environment.gate().Release();
    environment.tasks().End(token_);
    if (!status_.ok()) return Reject(environment, deferred_, status_);
    ObjectWriter writer(environment.env());
    Write(environment, &writer);
    napi_value report = writer.object();
    if (report == nullptr) return RejectPending(environment, deferred_);
    Resolve(environment, deferred_, report);
  }

 private:
  virtual Status Work(const StepDone& step) = 0;
  virtual void Write(Environment& environment, ObjectWriter* writer) = 0;

  const napi_deferred deferred_;
  const uint32_t token_;
  Status status_;
};

class VerifyDelivery final : public TaskDelivery {
 public:
  // `store` null: of the directory, which nobody has open.
  VerifyDelivery(napi_deferred deferred, uint32_t token, Store* store, std::string path)
      : TaskDelivery(deferred, token), store_(store), path_(std::move(path)) {}

 private:
  Status Work(const StepDone& step) override {
    return store_ != nullptr ? store_->Verify(step, &report_) : VerifyDirectory(DefaultEnv(), path_, step, &report_);
  }
  void Write(Environment& environment, ObjectWriter* writer) override { WriteReport(environment, report_, writer); }

  Store* const store_;
  const std::string path_;
  VerifyReport report_;
};

class RepairDelivery final : public TaskDelivery {
 public:
  RepairDelivery(napi_deferred deferred, uint32_t token, std::string path, std::string target)
      : TaskDelivery(deferred, token), path_(std::move(path)), target_(std::move(target)) {}

 private:
  Status Work(const StepDone& step) override { return RepairDirectory(DefaultEnv(), path_, target_, step, &report_); }
  void Write(Environment& environment, ObjectWriter* writer) override {
    napi_env env = environment.env();
    WriteReport(environment, report_.found, writer);
    writer->Number("keys", report_.keys);
    writer->Number("keptBytes", report_.bytes);
    writer->Number("expired", report_.expired);
    writer->Flag("dataLost", report_.data_lost());
    writer->Value("kept", environment.MakeArray(report_.kept.size(), [&](size_t fault) {
      return environment.MakeArray(report_.kept[fault].size(), [&](size_t key) {
        napi_value number;
        const auto kept = static_cast<uint32_t>(report_.kept[fault][key]);
        return napi_create_uint32(env, kept, &number) == napi_ok ? number : nullptr;
      });
    }));
  }

  const std::string path_;
  const std::string target_;
  RepairReport report_;
};

class RestoreDelivery final : public TaskDelivery {
 public:
  RestoreDelivery(napi_deferred deferred, uint32_t token, std::string path, std::string target)
      : TaskDelivery(deferred, token), path_(std::move(path)), target_(std::move(target)) {}

 private:
  Status Work(const StepDone& step) override { return RestoreBackup(DefaultEnv(), path_, target_, step, &report_); }
  void Write(Environment&, ObjectWriter* writer) override {
    writer->Number("version", report_.version);
    writer->Number("files", report_.files);
    writer->Number("bytes", report_.bytes);
    writer->Number("records", report_.records);
    writer->Number("backupTimeMs", report_.backup_wall_ms);
  }

  const std::string path_;
  const std::string target_;
  RestoreReport report_;
};

// Runs what `make(deferred)` makes on a thread of its own; returns the promise. `handle` null: of no open store.
template <typename Make>
napi_value StartTask(Environment& environment, Handle* handle, uint32_t handle_id, uint32_t token, Make make) {
  napi_deferred deferred;
  napi_value promise;
  if (napi_create_promise(environment.env(), &deferred, &promise) != napi_ok) return nullptr;
  environment.gate().Hold();
  Tasks::Flag flag = environment.tasks().Begin(token, handle_id);
  auto gate = environment.shared_gate();
  // The store stays open until the job is done, see Handle::Release.
  std::shared_ptr<JobCount> jobs = handle == nullptr ? std::make_shared<JobCount>() : handle->jobs();
  jobs->Begin();
  // std::function wants to be copied, and a delivery has one owner: it travels as a raw pointer, and every job runs.
  TaskDelivery* raw = make(deferred).release();
  RunDetached("crabkv-task", [gate, jobs, flag, raw] {
    std::unique_ptr<TaskDelivery> delivery(raw);
    delivery->Run(flag);
    gate->Post(std::move(delivery));
    jobs->End();
  });
  return promise;
}

}  // namespace

// verify(handle, path, token): Promise<report>, of the open store, or, with handle 0, of the directory at the path.
napi_value Verify(napi_env env, napi_callback_info info) {
  Call<3> call(env, info);
  uint32_t id = 0;
  napi_get_value_uint32(env, call[0], &id);
  Handle* handle = id == 0 ? nullptr : call.handle();
  std::string path;
  uint64_t token = 0;
  if ((id != 0 && handle == nullptr) || !ReadPath(env, call[1], "path", &path) ||
      !ReadInteger(env, call[2], "token", UINT32_MAX, &token)) {
    return nullptr;
  }
  const auto number = static_cast<uint32_t>(token);
  Store* store = handle == nullptr ? nullptr : &handle->store();
  return StartTask(call.environment(), handle, id, number, [&](napi_deferred deferred) {
    return std::make_unique<VerifyDelivery>(deferred, number, store, path);
  });
}

// repair(path, targetPath, token): Promise<report>
napi_value RepairStore(napi_env env, napi_callback_info info) {
  Call<3> call(env, info);
  std::string path, target;
  uint64_t token = 0;
  if (!ReadPath(env, call[0], "path", &path) || !ReadPath(env, call[1], "targetPath", &target) ||
      !ReadInteger(env, call[2], "token", UINT32_MAX, &token)) {
    return nullptr;
  }
  const auto number = static_cast<uint32_t>(token);
  return StartTask(call.environment(), nullptr, 0, number, [&](napi_deferred deferred) {
    return std::make_unique<RepairDelivery>(deferred, number, path, target);
  });
}

// restore(backupPath, targetPath, token): Promise<report>
napi_value RestoreStore(napi_env env, napi_callback_info info) {
  Call<3> call(env, info);
  std::string path, target;
  uint64_t token = 0;
  if (!ReadPath(env, call[0], "backupPath", &path) || !ReadPath(env, call[1], "targetPath", &target) ||
      !ReadInteger(env, call[2], "token", UINT32_MAX, &token)) {
    return nullptr;
  }
  const auto number = static_cast<uint32_t>(token);
  return StartTask(call.environment(), nullptr, 0, number, [&](napi_deferred deferred) {
    return std::make_unique<RestoreDelivery>(deferred, number, path, target);
  });
}

// cancelTask(token): the promise rejects soon, if it has not settled.
napi_value CancelTask(napi_env env, napi_callback_info info) {
  Call<1> call(env, info);
  uint64_t token = 0;
  if (!ReadInteger(env, call[0], "token", UINT32_MAX, &token)) return nullptr;
  call.environment().tasks().Cancel(static_cast<uint32_t>(token));
  return nullptr;
}

}  // namespace crabkv::addon
