#include "soak/plan.h"

namespace trunkline::soak {

namespace {

// Whether a client of this kind comes through that stage.
bool passes(const Plan& plan, Stage stage) {
  switch (stage) {
    case Stage::ssl_request:
      return plan.tls == Tls::starttls;
    case Stage::handshake:
      return plan.tls != Tls::off;
    case Stage::authentication:
      return plan.purpose == Purpose::session && plan.scram;
    case Stage::connected:
    case Stage::startup:
      return true;
    case Stage::answered:
      return plan.purpose != Purpose::garbage;
    default:
      return plan.purpose == Purpose::session;
  }
}

}  // namespace

Plan Planner::next() {
  Plan plan;
  if (with_tls_) plan.tls = static_cast<Tls>(number() % 3);
  if (one_in(10)) {
    plan.purpose = Purpose::cancel;
  } else if (one_in(20)) {
    plan.purpose = Purpose::garbage;
  }
  plan.scram = with_scram_ && one_in(3);
  plan.pipelined = one_in(2);
  do {
    plan.stage = static_cast<Stage>(number() % static_cast<uint32_t>(Stage::kCount));
  } while (!passes(plan, plan.stage));
  plan.wrong_password = plan.stage == Stage::authentication && one_in(4);
  plan.farewell = static_cast<Farewell>(number() % static_cast<uint32_t>(Farewell::kCount));
  plan.cut = number();
  return plan;
}

std::string Planner::noise() {
  std::string noise(1 + number() % 300, '\0');
  for (char& byte : noise) byte = static_cast<char>(number());
  return noise;
}

}  // namespace trunkline::soak
