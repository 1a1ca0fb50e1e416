// Backups on request: what goes in and what comes out; see request.h.
#include "native/addon/functions.h"
#include "native/addon/object_writer.h"
#include "native/addon/request.h"
#include "native/addon/text.h"

namespace crabkv::addon {

namespace {

napi_value MakeBackupReport(napi_env env, const BackupReport& report) {
  ObjectWriter writer(env);
  writer.Number("version", report.version);
  writer.Number("files", report.files);
  writer.Number("linkedBytes", report.linked_bytes);
  writer.Number("copiedBytes", report.copied_bytes);
  writer.Number("skippedBytes", report.skipped_bytes);
  return writer.object();
}

}  // namespace

// backup(handle, targetPath, token): Promise<report>. The token, of the caller's choice, is for cancelRequest.
napi_value BackUp(napi_env env, napi_callback_info info) {
  Call<3> call(env, info);
  Handle* handle = call.handle();
  std::string path;
  uint64_t token = 0;
  if (handle == nullptr || !ReadPath(env, call[1], "targetPath", &path) ||
      !ReadInteger(env, call[2], "token", UINT32_MAX, &token)) {
    return nullptr;
  }
  const auto start = [&](BackupDone done) { return handle->store().StartBackup(path, std::move(done)); };
  return StartRequest<BackupReport>(call.environment(), handle, static_cast<uint32_t>(token), MakeBackupReport,
                                    &Store::CancelBackup, start);
}

}  // namespace crabkv::addon
