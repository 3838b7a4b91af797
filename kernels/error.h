#pragma once

#include <fmt/format.h>

#include <stdexcept>
#include <string>
#include <utility>

namespace thaw {

/// What kind of thing went wrong; the command line turns it into its exit code.
enum class ErrorKind {
  failed,    ///< the work itself failed (NaN loss, full disk, ...): exit code 1
  usage,     ///< an impossible request (selector, option, shape): exit code 2
  data,      ///< bad photos, weights or files: exit code 3
  device,    ///< no such device, or it cannot do what was asked: exit code 4
  mismatch,  ///< a comparison did not hold: exit code 5
};

/// The one exception of thaw. Its text is a full sentence: the operation in brackets or the file's name, what was
/// wanted, what was found, and the way out.
class Error : public std::runtime_error {
 public:
  Error(ErrorKind kind, const std::string& message) : std::runtime_error(message), kind_(kind) {}
  [[nodiscard]] ErrorKind kind() const noexcept { return kind_; }

 private:
  ErrorKind kind_;
};

/// Throws `Error`; the message is formatted with fmt.
template <class... Args>
[[noreturn]] void fail(ErrorKind kind, fmt::format_string<Args...> format, Args&&... args) {
  throw Error(kind, fmt::format(format, std::forward<Args>(args)...));
}

}  // namespace thaw
