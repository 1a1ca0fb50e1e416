// What concerns the connection alone and runs here.
#include "native/protocol/commands.h"
#include "native/protocol/session.h"

namespace crabkv::protocol {

Run Ping(Call& call) {
  if (call.size() > 2) return call.Error("ERR wrong number of arguments for 'ping' command");
  if (call.session.is_restricted()) {
    call.reply.Array(2);
    call.reply.Bulk("pong");
    call.reply.Bulk(call.size() == 1 ? std::string_view() : call[1]);
  } else if (call.size() == 1) {
    call.reply.Simple("PONG");
  } else {
    call.reply.Bulk(call[1]);
  }
  return Run::kDone;
}

Run Echo(Call& call) {
  call.reply.Bulk(call[1]);
  return Run::kDone;
}

Run Quit(Call& call) {
  call.reply.Ok();
  return Run::kClose;
}

Run Time(Call& call) {
  const uint64_t now_ms = call.store.NowMs();
  call.reply.Array(2);
  call.reply.Bulk(std::to_string(now_ms / 1000));
  call.reply.Bulk(std::to_string(now_ms % 1000 * 1000));
  return Run::kDone;
}

}  // namespace crabkv::protocol
