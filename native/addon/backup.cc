// Backups: they run on the store's own thread, so the event loop only waits for the answer.
#include <utility>

#include "native/addon/arguments.h"
#include "native/addon/functions.h"
#include "native/addon/object_writer.h"
#include "native/addon/text.h"

namespace crabkv::addon {

namespace {

class BackupDelivery : public Delivery {
 public:
  BackupDelivery(napi_deferred deferred, uint32_t handle_id, uint32_t token, Status status, const BackupReport& report)
      : deferred_(deferred), handle_id_(handle_id), token_(token), status_(std::move(status)), report_(report) {}

  void Deliver(Environment& environment) override {
    environment.gate().Release();
    if (Handle* handle = environment.Find(handle_id_); handle != nullptr) handle->EndBackup(token_);
    if (!status_.ok()) return Reject(environment, deferred_, status_);
    ObjectWriter writer(environment.env());
    writer.Number("version", report_.version);
    writer.Number("files", report_.files);
    writer.Number("linkedBytes", report_.linked_bytes);
    writer.Number("copiedBytes", report_.copied_bytes);
    writer.Number("skippedBytes", report_.skipped_bytes);
    napi_value report = writer.object();
    if (report == nullptr) return RejectPending(environment, deferred_);
    Resolve(environment, deferred_, report);
  }

 private:
  const napi_deferred deferred_;
  const uint32_t handle_id_;
  const uint32_t token_;
  const Status status_;
  const BackupReport report_;
};

}  // namespace

// backup(handle, targetPath, token): Promise<report>. The token, of the caller's choice, is for cancelBackup.
napi_value BackUp(napi_env env, napi_callback_info info) {
  Call<3> call(env, info);
  Handle* handle = call.handle();
  std::string path;
  uint64_t token = 0;
  if (handle == nullptr || !ReadPath(env, call[1], "targetPath", &path) ||
      !ReadInteger(env, call[2], "token", UINT32_MAX, &token)) {
    return nullptr;
  }
  napi_deferred deferred;
  napi_value promise;
  if (napi_create_promise(env, &deferred, &promise) != napi_ok) return nullptr;
  call.environment().gate().Hold();
  auto gate = call.environment().shared_gate();
  const uint32_t handle_id = handle->id();
  const auto number = static_cast<uint32_t>(token);
  const uint64_t request =
      handle->store().StartBackup(path, [gate, deferred, handle_id, number](const Status& status, const auto& report) {
        gate->Post(std::make_unique<BackupDelivery>(deferred, handle_id, number, status, report));
      });
  handle->AddBackup(number, request);
  return promise;
}

// cancelBackup(handle, token): the promise rejects soon, if it has not settled.
napi_value CancelBackup(napi_env env, napi_callback_info info) {
  Call<2> call(env, info);
  Handle* handle = call.handle();
  uint64_t token = 0;
  if (handle == nullptr || !ReadInteger(env, call[1], "token", UINT32_MAX, &token)) return nullptr;
  handle->CancelBackup(static_cast<uint32_t>(token));
  return nullptr;
}

}  // namespace crabkv::addon
