// The load generator: N clients on one thread, closed loop (each sends when its answer is there) or
// at a fixed rate. Prints one JSON object. With --watch it also reads the CPU time of the proxy at
// the exact ends of the measured time.

#include <algorithm>
#include <csignal>
#include <deque>
#include <filesystem>
#include <fmt/core.h>
#include <fstream>
#include <iostream>
#include <map>
#include <memory>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <unistd.h>
#include <utility>
#include <vector>

#include "bench/load_client.h"
#include "bench/load_options.h"
#include "bench/load_script.h"

namespace trunkline::bench {
namespace {

// Nanoseconds on a CPU of each thread, by name and id.
std::map<std::string, uint64_t> cpu_times_ns(const std::vector<int>& pids) {
  std::map<std::string, uint64_t> times;
  for (int pid : pids) {
    std::string tasks = fmt::format("/proc/{}/task", pid);
    for (const auto& task : std::filesystem::directory_iterator(tasks)) {
      std::ifstream stat(task.path() / "schedstat");
      std::ifstream comm(task.path() / "comm");
      std::string name;
      uint64_t time_ns = 0;
      if (std::getline(comm, name) && stat >> time_ns) {
        times[name + '/' + task.path().filename().string()] = time_ns;
      }
    }
  }
  return times;
}

class Run final : ClientEvents {
 public:
  explicit Run(const Options& options)
      : options_(options), scripts_(make_scripts(options)), epoll_(::epoll_create1(EPOLL_CLOEXEC)) {
    for (int i = 0; i < options.clients; ++i) {
      clients_.push_back(
          std::make_unique<Client>(options.target, static_cast<ClientEvents&>(*this), epoll_));
      clients_.back()->script = &scripts_[static_cast<size_t>(i) % scripts_.size()];
    }
  }

  void run() {
    switch (options_.mode) {
      case Mode::storm:
        start_measuring();
        log_in_all(options_.clients);
        while (closed_ < clients_.size()) turn(-1);
        break;
      case Mode::login:
        log_in_all(options_.clients);
        measure();
        return;
      case Mode::idle:
        log_in_all(options_.login_concurrency);
        while (settled_ < clients_.size()) turn(-1);
        be_idle();
        return;
      default:
        log_in_all(options_.login_concurrency);
        while (settled_ < clients_.size()) turn(-1);
        start_load();
        measure();
        return;
    }
    report();
  }

 private:
  // A login ends with an answered query: a pooler may accept a client and have no server for it
  // yet.
  bool is_login() const { return options_.mode == Mode::login || options_.mode == Mode::storm; }

  void log_in_all(int at_once) {
    for (int i = 0; i < at_once; ++i) connect_next();
  }

  // Every client sits there until a line comes; after "prepare" it prepares statements first.
  void be_idle() {
    std::string line;
    for (;;) {
      say_ready();
      if (!std::getline(std::cin, line) || line != "prepare") return;
      settled_ = prepared_ = 0;
      preparing_ = true;
      for (int i = 0; i < options_.login_concurrency; ++i) prepare_next();
      while (settled_ < clients_.size()) turn(-1);
      preparing_ = false;
    }
  }

  void prepare_next() {
    if (prepared_ < clients_.size()) start(*clients_[prepared_++], preparation_);
  }

  void say_ready() {
    fmt::print("{{\"ready\": {}}}\n", clients_.size());
    std::fflush(stdout);
  }

  void connect_next() {
    if (connected_ < clients_.size()) clients_[connected_++]->connect();
  }

  void start_load() {
    running_ = true;
    if (options_.rate > 0) {
      start_clock();
    } else {
      for (auto& client : clients_) request(*client, now_ns());
    }
  }

  // Requests at fixed times, whatever the answers do: a stall shows in all that were due in it.
  void start_clock() {
    for (auto& client : clients_) idle_.push_back(client.get());
    interval_ns_ = static_cast<uint64_t>(1e9 / options_.rate);
    next_due_ns_ = now_ns();
    timer_ = ::timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
    itimerspec spec{};
    spec.it_interval.tv_nsec = spec.it_value.tv_nsec = static_cast<long>(interval_ns_);
    ::timerfd_settime(timer_, 0, &spec, nullptr);
    epoll_event event{.events = EPOLLIN, .data = {.ptr = nullptr}};
    if (::epoll_ctl(epoll_, EPOLL_CTL_ADD, timer_, &event) != 0) die("epoll_ctl");
  }

  void on_tick() {
    uint64_t expirations = 0;
    if (::read(timer_, &expirations, sizeof expirations) != sizeof expirations) return;
    for (uint64_t now = now_ns(); next_due_ns_ <= now; next_due_ns_ += interval_ns_) {
      due_.push_back(next_due_ns_);
    }
    send_due();
  }

  void send_due() {
    while (!due_.empty() && !idle_.empty()) {
      Client* client = idle_.front();
      idle_.pop_front();
      request(*client, due_.front());
      due_.pop_front();
    }
  }

  void request(Client& client, uint64_t started_ns) {
    client.started_ns = started_ns;
    start(client, client.script->request);
  }

  void start(Client& client, const Steps& steps) {
    client.steps = &steps;
    client.step = 0;
    take_step(client);
  }

  void take_step(Client& client) {
    const Step& step = (*client.steps)[client.step];
    client.replies_due = step.replies;
    client.send(step.bytes);
  }

  void measure() {
    turn_until(now_ns() + static_cast<uint64_t>(options_.warm_up_s * 1e9));
    if (options_.hold) {
      while (told_to_go()) measure_once();
    } else {
      measure_once();
    }
  }

  void measure_once() {
    start_measuring();
    for (Client* client : std::exchange(resting_, {})) go_on(*client);
    turn_until(started_ns_ + static_cast<uint64_t>(options_.seconds * 1e9));
    if (options_.hold) drain();
    report();
  }

  // Comes to rest, says so and waits for a line: a tracer sees whole requests only, and the loads
  // of several proxies take turns. Any other line than "go" is the end.
  bool told_to_go() {
    drain();
    say_ready();
    std::string line;
    std::getline(std::cin, line);
    draining_ = false;
    return line == "go";
  }

  void drain() {
    draining_ = true;
    while (resting_.size() < clients_.size()) turn(-1);
  }

  // What a client of the closed loop does when it is done with the last thing.
  void go_on(Client& client) {
    if (draining_) {
      resting_.push_back(&client);
    } else if (options_.mode == Mode::login) {
      client.connect();
    } else {
      request(client, now_ns());
    }
  }

  void start_measuring() {
    measuring_ = true;
    requests_ = 0;
    latencies_ns_.clear();
    bytes_before_ = bytes_received();
    cpu_before_ = cpu_times_ns(options_.watch);
    started_ns_ = now_ns();
  }

  uint64_t bytes_received() const {
    uint64_t sum = 0;
    for (const auto& client : clients_) sum += client->bytes_received();
    return sum;
  }

  void turn_until(uint64_t end_ns) {
    for (uint64_t now = now_ns(); now < end_ns; now = now_ns()) {
      turn(static_cast<int>((end_ns - now) / 1'000'000) + 1);
    }
  }

  void turn(int timeout_ms) {
    constexpr int kEvents = 512;
    epoll_event events[kEvents];
    int count = ::epoll_wait(epoll_, events, kEvents, timeout_ms);
    for (int i = 0; i < count; ++i) {
      auto* client = static_cast<Client*>(events[i].data.ptr);
      if (client == nullptr) {
        on_tick();
      } else {
        client->on_event(events[i].events);
      }
    }
  }

  void logged_in(Client& client) override {
    connect_next();
    start(client, client.script->prologue);
  }

  void replied(Client& client) override {
    if (--client.replies_due > 0) return;
    if (++client.step < client.steps->size()) {
      take_step(client);
      return;
    }
    if (is_login()) {
      record(client.started_ns, 1);
      client.finish();
      return;
    }
    if (!running_) {
      ++settled_;
      if (preparing_) prepare_next();
      return;
    }
    record(client.started_ns, static_cast<uint64_t>(client.script->requests));
    if (options_.rate > 0) {
      idle_.push_back(&client);
      send_due();
    } else {
      go_on(client);
    }
  }

  void closed(Client& client) override {
    ++closed_;
    if (options_.mode == Mode::login) go_on(client);
  }

  void record(uint64_t started_ns, uint64_t requests) {
    if (!measuring_) return;
    uint64_t now = now_ns();
    requests_ += requests;
    latencies_ns_.push_back(now - started_ns);
    if (!options_.samples.empty()) sample_starts_ns_.push_back(started_ns);
  }

  double percentile_us(double share) {
    if (latencies_ns_.empty()) return 0;
    auto at = latencies_ns_.begin() +
              static_cast<ptrdiff_t>(share * static_cast<double>(latencies_ns_.size() - 1));
    std::nth_element(latencies_ns_.begin(), at, latencies_ns_.end());
    return static_cast<double>(*at) / 1e3;
  }

  void report() {
    uint64_t ended_ns = now_ns();
    auto cpu_after = cpu_times_ns(options_.watch);
    uint64_t bytes = bytes_received() - bytes_before_;
    double seconds = static_cast<double>(ended_ns - started_ns_) / 1e9;
    write_samples();
    uint64_t cpu_ns = 0;
    std::string threads;
    for (const auto& [thread, after_ns] : cpu_after) {
      uint64_t used_ns = after_ns - cpu_before_[thread];
      cpu_ns += used_ns;
      threads += fmt::format("{}\"{}\": {}", threads.empty() ? "" : ", ", thread, used_ns);
    }
    fmt::print(
        "{{\"requests\": {}, \"seconds\": {:.6f}, \"bytes\": {}, \"requests_per_s\": {:.1f}, "
        "\"p50_us\": {:.1f}, \"p99_us\": {:.1f}, \"p999_us\": {:.1f}, \"cpu_ns\": {}, "
        "\"threads_ns\": {{{}}}, \"started_ns\": {}, \"ended_ns\": {}}}\n",
        requests_, seconds, bytes, static_cast<double>(requests_) / seconds, percentile_us(0.5),
        percentile_us(0.99), percentile_us(0.999), cpu_ns, threads, started_ns_, ended_ns);
    std::fflush(stdout);
  }

  // One line for each request: when it was due and how long it took, in nanoseconds.
  void write_samples() {
    if (options_.samples.empty()) return;
    std::ofstream file(options_.samples);
    for (size_t i = 0; i < latencies_ns_.size(); ++i) {
      file << sample_starts_ns_[i] << ' ' << latencies_ns_[i] << '\n';
    }
  }

  const Options& options_;
  const std::vector<Script> scripts_;
  const Steps preparation_ = preparation(options_.statements);
  const int epoll_;
  std::vector<std::unique_ptr<Client>> clients_;
  size_t connected_ = 0;
  size_t settled_ = 0;  // logged in and asked once
  size_t closed_ = 0;
  size_t prepared_ = 0;  // of those in preparation
  bool preparing_ = false;
  bool running_ = false;
  bool draining_ = false;
  std::vector<Client*> resting_;
  bool measuring_ = false;
  int timer_ = -1;
  uint64_t interval_ns_ = 0;
  uint64_t next_due_ns_ = 0;
  std::deque<uint64_t> due_;
  std::deque<Client*> idle_;
  uint64_t requests_ = 0;
  uint64_t started_ns_ = 0;
  uint64_t bytes_before_ = 0;
  std::vector<uint64_t> latencies_ns_;
  std::vector<uint64_t> sample_starts_ns_;
  std::map<std::string, uint64_t> cpu_before_;
};

}  // namespace
}  // namespace trunkline::bench

int main(int argc, char** argv) {
  using namespace trunkline::bench;
  Options options = read_options(argc, argv);
  std::signal(SIGPIPE, SIG_IGN);
  raise_descriptor_limit();
  Run(options).run();
}
