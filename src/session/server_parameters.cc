#include "session/server_parameters.h"

namespace trunkline::session {

server::Login::Parameters server_parameters(const wire::StartupPacket& packet,
                                            const route::Decision& decision) {
  server::Login::Parameters parameters;
  const std::string& database = decision.database ? *decision.database : packet.database;
  if (!database.empty()) parameters.emplace_back("database", database);
  switch (packet.replication) {
    case wire::ReplicationMode::none:
      break;
    case wire::ReplicationMode::physical:
      parameters.emplace_back("replication", "true");
      break;
    case wire::ReplicationMode::database:
      parameters.emplace_back("replication", "database");
      break;
  }
  if (packet.options) parameters.emplace_back("options", *packet.options);
  for (const wire::Parameter& parameter : packet.parameters) parameters.push_back(parameter);
  return parameters;
}

}  // namespace trunkline::session
