#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>

namespace thaw {

/// What a server says before the first byte of a body.
struct HttpHead {
  long status = 0;
  std::uint64_t first = 0;             ///< position of the body's first byte in the file: not 0 for a part (206)
  std::optional<std::uint64_t> total;  ///< bytes of the whole file, where the server says it
};

/// One GET of a file, or of its end.
struct HttpRequest {
  std::string url;
  std::uint64_t from = 0;       ///< ask for the bytes from here on (a Range request); a server may send all of them
  double connect_seconds = 20;  ///< to look the name up, connect and agree on TLS
  int stall_seconds = 30;       ///< the connection counts as lost when less than 100 bytes a second come for so long
  std::function<bool()> stop = {};  ///< asked a few times a second and with every piece; true breaks off
  std::string agent = "thaw";       ///< how the client calls itself
  /// Called once, before the first byte of a 200 or 206; false: the body is not wanted.
  std::function<bool(const HttpHead&)> head = {};
  /// The body in pieces. What it throws comes out of `http_get`.
  std::function<void(std::span<const char>)> body = {};
};

enum class HttpEnd {
  complete,  ///< a reply came and is whole; its status may still be an error's
  broken,    ///< no connection, or it broke off: worth another try
  stopped,   ///< `stop` said so
  unwanted,  ///< `head` said so
};

struct HttpReply {
  HttpEnd end = HttpEnd::complete;
  HttpHead head;
  std::string reason = {};  ///< of `broken`, as a half-sentence
  double retry_after = 0;   ///< seconds that a busy server asks to wait, 0 where it does not
};

/// Fetches over HTTP or HTTPS: no other protocol, at most 5 redirects, none from HTTPS to HTTP, certificates checked,
/// proxies taken from the environment as curl does. Throws `Error` (usage) for an address that is none, (failed) for
/// what no further try can mend (certificate, redirects without end).
HttpReply http_get(const HttpRequest& request);

}  // namespace thaw
