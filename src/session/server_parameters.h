#pragma once

#include "route/decision.h"
#include "server/login.h"
#include "wire/startup.h"

namespace trunkline::session {

// The client's startup parameters as the server gets them: all but the user, with the database that
// the route gives. Protocol options end here: the proxy has answered them.
server::Login::Parameters server_parameters(const wire::StartupPacket& packet,
                                            const route::Decision& decision);

}  // namespace trunkline::session
