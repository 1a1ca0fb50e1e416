// Verifications: each on a native thread of its own, answered through the gate.
#include <string>
#include <utility>

#include "native/addon/arguments.h"
#include "native/addon/functions.h"
#include "native/addon/object_writer.h"
#include "native/addon/text.h"
#include "native/core/env.h"
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

class VerifyDelivery : public Delivery {
 public:
  VerifyDelivery(napi_deferred deferred, uint32_t token) : deferred_(deferred), token_(token) {}

  // Native thread. `store` null: of the directory, which nobody has open.
  void Run(Store* store, const std::string& path, const Tasks::Flag& flag) {
    const StepDone step = [&flag](uint64_t) { return !flag->load(std::memory_order_relaxed); };
    status_ = store != nullptr ? store->Verify(step, &report_) : VerifyDirectory(DefaultEnv(), path, step, &report_);
  }

  void Deliver(Environment& environment) override {
    environment.gate().Release();
    environment.tasks().End(token_);
    if (!status_.ok()) return Reject(environment, deferred_, status_);
    ObjectWriter writer(environment.env());
    WriteReport(environment, report_, &writer);
    napi_value report = writer.object();
    if (report == nullptr) return RejectPending(environment, deferred_);
    Resolve(environment, deferred_, report);
  }

 private:
  const napi_deferred deferred_;
  const uint32_t token_;
  Status status_;
  VerifyReport report_;
};

}  // namespace

// verify(handle, path, token): Promise<report>, of the open store, or, with handle 0, of the directory at the path.
napi_value Verify(napi_env env, napi_callback_info info) {
  Call<3> call(env, info);
  Environment& environment = call.environment();
  uint32_t id = 0;
  napi_get_value_uint32(env, call[0], &id);
  Handle* handle = id == 0 ? nullptr : call.handle();
  std::string path;
  uint64_t token = 0;
  if ((id != 0 && handle == nullptr) || !ReadString(env, call[1], "path", &path) ||
      !ReadInteger(env, call[2], "token", UINT32_MAX, &token)) {
    return nullptr;
  }
  if (path.find('\0') != std::string::npos) return ThrowTypeError(env, "path must not contain null bytes");
  napi_deferred deferred;
  napi_value promise;
  if (napi_create_promise(env, &deferred, &promise) != napi_ok) return nullptr;
  environment.gate().Hold();
  const auto number = static_cast<uint32_t>(token);
  Tasks::Flag flag = environment.tasks().Begin(number, id);
  auto gate = environment.shared_gate();
  // The store stays open until the job is done, see Handle::Release.
  std::shared_ptr<JobCount> jobs = handle == nullptr ? std::make_shared<JobCount>() : handle->jobs();
  Store* store = handle == nullptr ? nullptr : &handle->store();
  jobs->Begin();
  RunDetached("crabkv-verify", [gate, jobs, store, path, flag, deferred, number] {
    auto delivery = std::make_unique<VerifyDelivery>(deferred, number);
    delivery->Run(store, path, flag);
    gate->Post(std::move(delivery));
    jobs->End();
  });
  return promise;
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
