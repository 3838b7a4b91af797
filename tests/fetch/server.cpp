#include "tests/fetch/server.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <stdexcept>

namespace thaw::testing {
namespace {

std::optional<Request> parse(const std::string& text) {
  if (!text.starts_with("GET ")) return std::nullopt;
  Request request{
      .path = text.substr(4, text.find(' ', 4) - 4),
  };
  const std::string range = "\r\nRange: bytes=";
  if (const std::size_t at = text.find(range); at != std::string::npos) {
    request.from = std::stoull(text.substr(at + range.size()));
  }
  return request;
}

std::uint64_t send_all(int connection, std::string_view bytes) {
  std::uint64_t sent = 0;
  while (sent < bytes.size()) {
    const ssize_t n = ::send(connection, bytes.data() + sent, bytes.size() - sent, MSG_NOSIGNAL);
    if (n <= 0) break;
    sent += static_cast<std::uint64_t>(n);
  }
  return sent;
}

bool readable(int fd, int milliseconds) {
  pollfd ready{.fd = fd, .events = POLLIN, .revents = 0};
  return ::poll(&ready, 1, milliseconds) == 1;
}

}  // namespace

HttpServer::HttpServer(Handler handler) : handler_(std::move(handler)) {
  ::setenv("no_proxy", "127.0.0.1", 1);  // a test's server is reached directly, whatever the machine's proxy
  socket_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t length = sizeof(address);
  auto* generic = reinterpret_cast<sockaddr*>(&address);
  if (::bind(socket_, generic, length) != 0 || ::listen(socket_, 8) != 0 ||
      ::getsockname(socket_, generic, &length) != 0) {
    throw std::runtime_error("cannot open a server socket on 127.0.0.1");
  }
  port_ = ntohs(address.sin_port);
  thread_ = std::thread([this] { serve(); });
}

HttpServer::~HttpServer() {
  done_ = true;
  thread_.join();
  ::close(socket_);
}

std::string HttpServer::url(const std::string& name) const {
  return fmt::format("http://127.0.0.1:{}/{}", port_, name);
}

std::vector<Request> HttpServer::requests() const {
  const std::lock_guard lock(mutex_);
  return requests_;
}

void HttpServer::serve() {
  while (!done_) {
    if (!readable(socket_, 20)) continue;
    const int connection = ::accept4(socket_, nullptr, nullptr, SOCK_CLOEXEC);
    if (connection < 0) continue;
    answer(connection);
    ::close(connection);
  }
}

void HttpServer::answer(int connection) {
  std::string text;
  std::array<char, 4096> block{};
  while (text.find("\r\n\r\n") == std::string::npos) {
    const ssize_t n = ::recv(connection, block.data(), block.size(), 0);
    if (n <= 0) return;
    text.append(block.data(), static_cast<std::size_t>(n));
  }
  const std::optional<Request> request = parse(text);
  if (!request) return;
  std::size_t number = 0;
  {
    const std::lock_guard lock(mutex_);
    number = requests_.size();
    requests_.push_back(*request);
  }
  send_answer(connection, handler_(*request, number));
}

void HttpServer::send_answer(int connection, const Answer& answer) {
  send_all(connection, fmt::format("HTTP/1.1 {} Test\r\nConnection: close\r\nContent-Length: {}\r\n{}\r\n",
                                   answer.status, answer.body.size(), answer.headers));
  const std::size_t length = std::min<std::size_t>(answer.body.size(), answer.cut_after.value_or(answer.body.size()));
  sent_ += send_all(connection, std::string_view(answer.body).substr(0, length));
  while (answer.hang && !done_ && !readable(connection, 20)) continue;  // until the client hangs up
}

Answer file_answer(const Request& request, const std::string& content) {
  if (!request.from) return {.body = content};
  if (*request.from >= content.size()) {
    return {.status = 416, .headers = fmt::format("Content-Range: bytes */{}\r\n", content.size())};
  }
  return {
      .status = 206,
      .body = content.substr(*request.from),
      .headers = fmt::format("Content-Range: bytes {}-{}/{}\r\n", *request.from, content.size() - 1, content.size())};
}

}  // namespace thaw::testing
