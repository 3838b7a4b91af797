#include "app/signals.h"

#include <unistd.h>

#include <atomic>
#include <csignal>

namespace thaw {

namespace {

// A handler can reach nothing but static storage, and may run on any thread of the process.
std::atomic<int> received = 0;
static_assert(std::atomic<int>::is_always_lock_free);

void note_signal(int signal) {
  int none = 0;
  if (!received.compare_exchange_strong(none, signal)) ::_exit(128 + signal);
}

void install(void (*handler)(int)) {
  struct sigaction action = {};
  action.sa_handler = handler;
  sigemptyset(&action.sa_mask);
  action.sa_flags = SA_RESTART;  // a half-written file is finished, not broken off
  sigaction(SIGINT, &action, nullptr);
  sigaction(SIGTERM, &action, nullptr);
  // A closed terminal stops a run as SIGTERM does, but `nohup` has asked for the contrary.
  struct sigaction hangup = {};
  sigaction(SIGHUP, nullptr, &hangup);
  if (hangup.sa_handler != SIG_IGN) sigaction(SIGHUP, &action, nullptr);
}

}  // namespace

SignalGuard::SignalGuard() {
  received = 0;
  install(note_signal);
}

SignalGuard::~SignalGuard() {
  install(SIG_DFL);
  received = 0;
}

bool SignalGuard::requested() const { return received != 0; }

int SignalGuard::exit_code() const { return received == 0 ? 0 : 128 + received; }

}  // namespace thaw
