// The functions of the commands that run here, by the file that defines them.
#pragma once

#include "native/protocol/command.h"

namespace crabkv::protocol {

// strings.cc
Run Get(Call& call);
Run Set(Call& call);
Run SetEx(Call& call);
Run PSetEx(Call& call);
Run SetNx(Call& call);
Run GetSet(Call& call);
Run GetDel(Call& call);
Run GetEx(Call& call);
Run MGet(Call& call);
Run MSet(Call& call);
Run MSetNx(Call& call);

// string_parts.cc
Run Append(Call& call);
Run StrLen(Call& call);
Run GetRange(Call& call);
Run SetRange(Call& call);

// counters.cc
Run Incr(Call& call);
Run IncrBy(Call& call);
Run Decr(Call& call);
Run DecrBy(Call& call);
Run IncrByFloat(Call& call);

// bits.cc
Run SetBit(Call& call);
Run GetBit(Call& call);
Run BitCount(Call& call);
Run BitPos(Call& call);
Run BitOp(Call& call);

// bitfield.cc
Run BitField(Call& call);
Run BitFieldRo(Call& call);

// introspection.cc
Run Object(Call& call);
Run Memory(Call& call);
Run Debug(Call& call);           // OBJECT and HELP, which src/server leaves to it
Run SubcommandHelp(Call& call);  // as well, of all commands that are in it but for this

// keys.cc
Run Del(Call& call);
Run Exists(Call& call);
Run Type(Call& call);
Run DbSize(Call& call);
Run Rename(Call& call);
Run RenameNx(Call& call);
Run Copy(Call& call);

// iteration.cc
Run Keys(Call& call);
Run Scan(Call& call);
Run RandomKey(Call& call);
Run FlushAll(Call& call);

// expiry.cc
Run Expire(Call& call);
Run PExpire(Call& call);
Run ExpireAt(Call& call);
Run PExpireAt(Call& call);
Run Ttl(Call& call);
Run PTtl(Call& call);
Run ExpireTime(Call& call);
Run PExpireTime(Call& call);
Run Persist(Call& call);

// connection.cc
Run Ping(Call& call);
Run Echo(Call& call);
Run Quit(Call& call);
Run Time(Call& call);

// transactions.cc
Run Multi(Call& call);
Run Exec(Call& call);
Run Discard(Call& call);
Run Watch(Call& call);
Run Unwatch(Call& call);

// text_verbs.cc
Run TextPut(Call& call);
Run TextDelete(Call& call);
Run TextHelp(Call& call);

}  // namespace crabkv::protocol
