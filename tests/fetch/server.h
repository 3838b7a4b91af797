#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

namespace thaw::testing {

/// What a test's server got asked for.
struct Request {
  std::string path;
  std::optional<std::uint64_t> from = {};  ///< of "Range: bytes=N-"
};

/// How it answers one request.
struct Answer {
  int status = 200;
  std::string body = {};
  std::string headers = {};                     ///< further lines, each with its \r\n
  std::optional<std::uint64_t> cut_after = {};  ///< close the connection behind so many bytes of the body
  bool hang = false;                            ///< behind those bytes keep the connection open and send nothing
};

/// An HTTP server on a free port of 127.0.0.1, one connection after the other, one request each.
class HttpServer {
 public:
  using Handler = std::function<Answer(const Request&, std::size_t number)>;
  explicit HttpServer(Handler handler);
  ~HttpServer();
  HttpServer(const HttpServer&) = delete;
  HttpServer& operator=(const HttpServer&) = delete;

  [[nodiscard]] std::string url(const std::string& name) const;
  [[nodiscard]] std::vector<Request> requests() const;
  /// Bytes of bodies that were handed to the network.
  [[nodiscard]] std::uint64_t sent() const { return sent_; }

 private:
  void serve();
  void answer(int connection);
  void send_answer(int connection, const Answer& answer);

  Handler handler_;
  int socket_ = -1;
  int port_ = 0;
  std::atomic<bool> done_ = false;
  std::atomic<std::uint64_t> sent_ = 0;
  mutable std::mutex mutex_;
  std::vector<Request> requests_;
  std::thread thread_;
};

/// The answer of a server that understands ranges.
Answer file_answer(const Request& request, const std::string& content);

}  // namespace thaw::testing
