// What a handle asks of its store's own thread (a compaction, a backup): the event loop only waits for the answer, and
// can have it given up by the token that JavaScript chose. JavaScript thread, but for the answer.
#pragma once

#include <node_api.h>

#include <cstdint>
#include <memory>
#include <utility>

#include "native/addon/arguments.h"

namespace crabkv::addon {

template <typename Report>
class RequestDelivery : public Delivery {
 public:
  // The plain object of a report; null when an exception is pending.
  using MakeReport = napi_value (*)(napi_env env, const Report& report);

  RequestDelivery(napi_deferred deferred, uint32_t handle_id, uint32_t token, MakeReport make, Status status,
                  const Report& report)
      : deferred_(deferred),
        handle_id_(handle_id),
        token_(token),
        make_(make),
        status_(std::move(status)),
        report_(report) {}

  void Deliver(Environment& environment) override {
    environment.gate().Release();
    if (Handle* handle = environment.Find(handle_id_); handle != nullptr) handle->EndRequest(token_);
    if (!status_.ok()) return Reject(environment, deferred_, status_);
    napi_value report = make_(environment.env(), report_);
    if (report == nullptr) return RejectPending(environment, deferred_);
    Resolve(environment, deferred_, report);
  }

 private:
  const napi_deferred deferred_;
  const uint32_t handle_id_;
  const uint32_t token_;
  const MakeReport make_;
  const Status status_;
  const Report report_;
};

// `start(done)` gives the store's number of the request, by which `cancel` gives it up; `done(status, report)` is
// called once, on any thread. A promise; null when an exception is pending.
template <typename Report, typename Start>
napi_value StartRequest(Environment& environment, Handle* handle, uint32_t token,
                        typename RequestDelivery<Report>::MakeReport make, void (Store::*cancel)(uint64_t),
                        Start start) {
  napi_deferred deferred;
  napi_value promise;
  if (napi_create_promise(environment.env(), &deferred, &promise) != napi_ok) return nullptr;
  environment.gate().Hold();
  auto gate = environment.shared_gate();
  const uint32_t handle_id = handle->id();
  const uint64_t number = start([gate, deferred, handle_id, token, make](const Status& status, const Report& report) {
    gate->Post(std::make_unique<RequestDelivery<Report>>(deferred, handle_id, token, make, status, report));
  });
  handle->AddRequest(token, {cancel, number});
  return promise;
}

}  // namespace crabkv::addon
