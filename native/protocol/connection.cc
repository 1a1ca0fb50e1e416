// What concerns the connection alone and runs here.
#include "native/protocol/commands.h"

namespace crabkv::protocol {

Run Ping(Call& call) {
  if (call.size() > 2) return call.Error("ERR wrong number of arguments for 'ping' command");
  if (call.size() == 1) {
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
