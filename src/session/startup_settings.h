#pragma once

#include <optional>

#include "pool/settings.h"
#include "wire/startup.h"

namespace trunkline::session {

// What a startup packet sets, `options` included; of duplicates the last, as in PostgreSQL, where
// the packet's own parameters come after its options. nullopt when `options` holds more than
// settings: only a new server connection can take that.
std::optional<pool::Settings> startup_settings(const wire::StartupPacket& packet);

}  // namespace trunkline::session
