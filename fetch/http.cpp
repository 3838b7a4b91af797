#include "fetch/http.h"

#include <curl/curl.h>

#include <array>
#include <charconv>
#include <exception>
#include <memory>
#include <string_view>

#include "kernels/error.h"

namespace thaw {
namespace {

struct Transfer {
  explicit Transfer(const HttpRequest& wanted) : request(wanted) {}

  const HttpRequest& request;
  CURL* curl = nullptr;
  HttpHead head;
  std::optional<std::uint64_t> length;  // Content-Length of the reply
  bool head_told = false;
  bool unwanted = false;
  bool stopped = false;
  std::exception_ptr error;  // C code lies between the callbacks and us: no exception may cross it
};

template <class Number>
std::optional<Number> leading_number(std::string_view text) {
  Number number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  return error == std::errc() ? std::optional<Number>(number) : std::nullopt;
}

/// The value of header `name`, or nothing; header names know no case (RFC 9110, 5.1).
std::optional<std::string_view> header_value(std::string_view line, std::string_view name) {
  if (line.size() <= name.size() || line[name.size()] != ':') return std::nullopt;
  if (curl_strnequal(line.data(), name.data(), name.size()) == 0) return std::nullopt;
  line.remove_prefix(name.size() + 1);
  const std::size_t first = line.find_first_not_of(" \t");
  const std::size_t last = line.find_last_not_of(" \t\r\n");
  if (first == std::string_view::npos || last < first) return std::string_view();
  return line.substr(first, last - first + 1);
}

/// "bytes 100-199/200" or "bytes */200" (RFC 9110, 14.4).
void read_content_range(std::string_view value, HttpHead& head) {
  constexpr std::string_view unit = "bytes ";
  if (!value.starts_with(unit)) return;
  value.remove_prefix(unit.size());
  head.first = leading_number<std::uint64_t>(value).value_or(0);
  const std::size_t slash = value.find('/');
  if (slash != std::string_view::npos) head.total = leading_number<std::uint64_t>(value.substr(slash + 1));
}

std::size_t on_header(const char* text, std::size_t size, std::size_t count, void* user) {
  auto& transfer = *static_cast<Transfer*>(user);
  const std::string_view line(text, size * count);
  if (line.starts_with("HTTP/")) {  // the next reply of a chain of redirects
    transfer.head = {};
    transfer.length.reset();
  }
  if (const auto range = header_value(line, "Content-Range")) read_content_range(*range, transfer.head);
  if (const auto length = header_value(line, "Content-Length"))
    transfer.length = leading_number<std::uint64_t>(*length);
  return line.size();
}

void complete_head(Transfer& transfer) {
  curl_easy_getinfo(transfer.curl, CURLINFO_RESPONSE_CODE, &transfer.head.status);
  if (transfer.head.status == 200) transfer.head.first = 0;
  if (transfer.head.status == 200 && !transfer.head.total) transfer.head.total = transfer.length;
}

std::size_t on_body(const char* text, std::size_t size, std::size_t count, void* user) {
  auto& transfer = *static_cast<Transfer*>(user);
  const std::size_t bytes = size * count;
  try {
    if (!transfer.head_told) complete_head(transfer);
    // An error's page is of no interest, and of no trusted length either.
    if (transfer.head.status != 200 && transfer.head.status != 206) return 0;
    if (!transfer.head_told && !transfer.request.head(transfer.head)) transfer.unwanted = true;
    transfer.head_told = true;
    if (transfer.unwanted) return 0;
    transfer.request.body({text, bytes});
    return bytes;
  } catch (...) {
    transfer.error = std::current_exception();
    return 0;
  }
}

int on_progress(void* user, curl_off_t, curl_off_t, curl_off_t, curl_off_t) {
  auto& transfer = *static_cast<Transfer*>(user);
  transfer.stopped = transfer.stopped || (transfer.request.stop && transfer.request.stop());
  return transfer.stopped ? 1 : 0;
}

/// The library's own preparations, once a process (thread-safe since C++11; curl's are since 7.84).
void prepare_curl() {
  static const CURLcode ready = curl_global_init(CURL_GLOBAL_DEFAULT);
  if (ready != CURLE_OK) fail(ErrorKind::failed, "libcurl cannot start: {}", curl_easy_strerror(ready));
}

void set_options(CURL* curl, Transfer& transfer, char* reason) {
  const HttpRequest& request = transfer.request;
  const bool secure = curl_strnequal(request.url.c_str(), "https:", 6) != 0;
  curl_easy_setopt(curl, CURLOPT_URL, request.url.c_str());
  curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
  curl_easy_setopt(curl, CURLOPT_REDIR_PROTOCOLS_STR, secure ? "https" : "http,https");
  curl_easy_setopt(curl, CURLOPT_FOLLOWLOCATION, 1L);
  curl_easy_setopt(curl, CURLOPT_MAXREDIRS, 5L);
  curl_easy_setopt(curl, CURLOPT_USERAGENT, request.agent.c_str());
  curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT_MS, static_cast<long>(request.connect_seconds * 1000));
  curl_easy_setopt(curl, CURLOPT_LOW_SPEED_LIMIT, 100L);
  curl_easy_setopt(curl, CURLOPT_LOW_SPEED_TIME, static_cast<long>(request.stall_seconds));
  curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);  // signals are the command's business
  // Not CURLOPT_RESUME_FROM: with that, curl itself gives up on a server that sends the whole file instead.
  if (request.from > 0) curl_easy_setopt(curl, CURLOPT_RANGE, fmt::format("{}-", request.from).c_str());
  curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, reason);
  curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, on_header);
  curl_easy_setopt(curl, CURLOPT_HEADERDATA, &transfer);
  curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_body);
  curl_easy_setopt(curl, CURLOPT_WRITEDATA, &transfer);
  curl_easy_setopt(curl, CURLOPT_XFERINFOFUNCTION, on_progress);
  curl_easy_setopt(curl, CURLOPT_XFERINFODATA, &transfer);
  curl_easy_setopt(curl, CURLOPT_NOPROGRESS, 0L);
}

/// Whether no further try with the same address can end otherwise.
bool is_final(CURLcode code) {
  switch (code) {
    case CURLE_TOO_MANY_REDIRECTS:
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CACERT_BADFILE:
    case CURLE_OUT_OF_MEMORY: return true;
    default: return false;
  }
}

}  // namespace

HttpReply http_get(const HttpRequest& request) {
  prepare_curl();
  const std::unique_ptr<CURL, void (*)(CURL*)> curl(curl_easy_init(), curl_easy_cleanup);
  if (curl == nullptr) fail(ErrorKind::failed, "libcurl cannot start a transfer: there is not enough memory");
  Transfer transfer(request);
  transfer.curl = curl.get();
  std::array<char, CURL_ERROR_SIZE> reason{};
  set_options(curl.get(), transfer, reason.data());
  const CURLcode code = curl_easy_perform(curl.get());
  if (transfer.error) std::rethrow_exception(transfer.error);
  if (!transfer.head_told) complete_head(transfer);

  HttpReply reply{.head = transfer.head};
  reply.reason = reason[0] != '\0' ? reason.data() : curl_easy_strerror(code);
  curl_off_t wait = 0;
  if (curl_easy_getinfo(curl.get(), CURLINFO_RETRY_AFTER, &wait) == CURLE_OK)
    reply.retry_after = static_cast<double>(wait);

  if (transfer.stopped) {
    reply.end = HttpEnd::stopped;
  } else if (transfer.unwanted) {
    reply.end = HttpEnd::unwanted;
  } else if (code == CURLE_OK || (code == CURLE_WRITE_ERROR && transfer.head.status >= 300)) {
    reply.end = HttpEnd::complete;  // on_body refuses the page that comes with an error
  } else if (code == CURLE_URL_MALFORMAT || code == CURLE_UNSUPPORTED_PROTOCOL) {
    fail(ErrorKind::usage,
         "'{}' is no address of a file (or leads to one that is none): http and https are served ({})", request.url,
         reply.reason);
  } else if (is_final(code)) {
    fail(ErrorKind::failed, "cannot fetch '{}': {}", request.url, reply.reason);
  } else {
    reply.end = HttpEnd::broken;
  }
  return reply;
}

}  // namespace thaw
