// Compactions on request: what goes in and what comes out; see request.h.
#include "native/addon/compaction.h"

#include "native/addon/functions.h"
#include "native/addon/object_writer.h"
#include "native/addon/request.h"

namespace crabkv::addon {

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

// compact(handle, token): Promise<report>. The token, of the caller's choice, is for cancelRequest.
napi_value Compact(napi_env env, napi_callback_info info) {
  Call<2> call(env, info);
  Handle* handle = call.handle();
  uint64_t token = 0;
  if (handle == nullptr || !ReadInteger(env, call[1], "token", UINT32_MAX, &token)) return nullptr;
  const auto start = [&](CompactionDone done) { return handle->store().StartCompaction(std::move(done)); };
  return StartRequest<CompactionReport>(call.environment(), handle, static_cast<uint32_t>(token), MakeCompactionReport,
                                        &Store::CancelCompaction, start);
}

// cancelRequest(handle, token): the promise rejects soon, if it has not settled.
napi_value CancelRequest(napi_env env, napi_callback_info info) {
  Call<2> call(env, info);
  Handle* handle = call.handle();
  uint64_t token = 0;
  if (handle == nullptr || !ReadInteger(env, call[1], "token", UINT32_MAX, &token)) return nullptr;
  handle->CancelRequest(static_cast<uint32_t>(token));
  return nullptr;
}

}  // namespace crabkv::addon
