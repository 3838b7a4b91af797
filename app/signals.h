#pragma once

namespace thaw {

/// While alive, the first SIGINT, SIGTERM or SIGHUP only raises a flag, so that the work can finish its step and save;
/// the second one ends the process at once. One at a time.
class SignalGuard {
 public:
  SignalGuard();
  ~SignalGuard();
  SignalGuard(const SignalGuard&) = delete;
  SignalGuard& operator=(const SignalGuard&) = delete;

  [[nodiscard]] bool requested() const;
  /// 130 behind SIGINT, 143 behind SIGTERM, 129 behind SIGHUP, 0 behind none.
  [[nodiscard]] int exit_code() const;
};

}  // namespace thaw
