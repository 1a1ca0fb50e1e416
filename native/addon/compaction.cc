// Compactions on request: they run on the store's own thread, so the event loop only waits for the answer.
#include "native/addon/compaction.h"

#include <utility>

#include "native/addon/arguments.h"
#include "native/addon/functions.h"
#include "native/addon/object_writer.h"

namespace crabkv::addon {

namespace {

class CompactionDelivery : public Delivery {
 public:
  CompactionDelivery(napi_deferred deferred, uint32_t handle_id, uint32_t token, Status status,
                     const CompactionReport& report)
      : deferred_(deferred), handle_id_(handle_id), token_(token), status_(std::move(status)), report_(report) {}

  void Deliver(Environment& environment) override {
    environment.gate().Release();
    if (Handle* handle = environment.Find(handle_id_); handle != nullptr) handle->EndCompaction(token_);
    if (!status_.ok()) return Reject(environment, deferred_, status_);
    Resolve(environment, deferred_, MakeCompactionReport(environment.env(), report_));
  }

 private:
  const napi_deferred deferred_;
  const uint32_t handle_id_;
  const uint32_t token_;
  const Status status_;
  const CompactionReport report_;
};

}  // namespace

napi_value MakeCompactionReport(napi_env env, const CompactionReport& report) {
  ObjectWriter writer(env);
  writer.Number("compactions", report.compactions);
  writer.Number("segmentsIn", report.segments_in);
  writer.Number("segmentsOut", report.segments_out);
  writer.Number("bytesRead", report.bytes_read);
  writer.Number("bytesWritten", report.bytes_written);
  writer.Number("recordsKept", report.records_kept);
  writer.Number("recordsDropped", report.records_dropped);
  return writer.object();
}

// compact(handle, token): Promise<report>. The token, of the caller's choice, is for cancelCompaction.
napi_value Compact(napi_env env, napi_callback_info info) {
  Call<2> call(env, info);
  Handle* handle = call.handle();
  uint64_t token = 0;
  if (handle == nullptr || !ReadInteger(env, call[1], "token", UINT32_MAX, &token)) return nullptr;
  napi_deferred deferred;
  napi_value promise;
  if (napi_create_promise(env, &deferred, &promise) != napi_ok) return nullptr;
  call.environment().gate().Hold();
  auto gate = call.environment().shared_gate();
  const uint32_t handle_id = handle->id();
  const auto number = static_cast<uint32_t>(token);
  const uint64_t request =
      handle->store().StartCompaction([gate, deferred, handle_id, number](const Status& status, const auto& report) {
        gate->Post(std::make_unique<CompactionDelivery>(deferred, handle_id, number, status, report));
      });
  handle->AddCompaction(number, request);
  return promise;
}

// cancelCompaction(handle, token): the promise rejects soon, if it has not settled.
napi_value CancelCompaction(napi_env env, napi_callback_info info) {
  Call<2> call(env, info);
  Handle* handle = call.handle();
  uint64_t token = 0;
  if (handle == nullptr || !ReadInteger(env, call[1], "token", UINT32_MAX, &token)) return nullptr;
  handle->CancelCompaction(static_cast<uint32_t>(token));
  return nullptr;
}

}  // namespace crabkv::addon
