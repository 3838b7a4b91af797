#include "fetch/download.h"

#include <algorithm>
#include <chrono>
#include <thread>

#include "fetch/http.h"
#include "fetch/partial_file.h"
#include "kernels/error.h"

namespace thaw {
namespace fs = std::filesystem;

namespace {

constexpr double longest_wait = 30;  // seconds between two tries

struct Checked {
  std::string_view algorithm;
  std::string wanted, found;
  [[nodiscard]] bool ok() const { return wanted == found; }
};

Checked check_digest(const RemoteFile& file, const fs::path& path) {
  if (!file.sha256.empty()) return {"sha256", file.sha256, sha256_file(path)};
  return {"md5", file.md5, md5_file(path)};
}

/// Whether one more try may help: a server that is busy or restarting.
bool is_passing(long status) {
  return status == 408 || status == 429 || status == 500 || status == 502 || status == 503 || status == 504;
}

std::string meaning(long status) {
  switch (status) {
    case 401:
    case 403: return "it is not allowed to fetch it";
    case 404:
    case 410: return "there is no such file on the server";
    case 407: return "the proxy wants a password";
    default: return "the server refused";
  }
}

/// The work of one call of `download`.
class Downloader {
 public:
  Downloader(const RemoteFile& file, const fs::path& folder, const DownloadOptions& options)
      : file_(file), options_(options), final_(folder / file.name), part_(folder / (file.name + ".part")) {}

  Download run() {
    if (options_.force || part_.size() > limit()) part_.clear();
    first_ = part_.size();
    if (!fetch_whole()) return report(DownloadEnd::stopped);
    Checked digest = check_digest(file_, part_.path());
    if (!digest.ok() && first_ > 0) {
      note("what was left of an earlier download does not fit the rest; fetching the whole file again");
      part_.clear();
      first_ = 0;
      if (!fetch_whole()) return report(DownloadEnd::stopped);
      digest = check_digest(file_, part_.path());
    }
    if (!digest.ok()) {
      part_.remove();
      fail(ErrorKind::data,
           "'{}' has {} {} instead of {}: the server's file is not the expected one, or something between changed it; "
           "it was not kept. Try again later or from elsewhere (--base-url)",
           file_.url, digest.algorithm, digest.found, digest.wanted);
    }
    part_.rename_to(final_);
    return report(DownloadEnd::downloaded);
  }

 private:
  [[nodiscard]] std::uint64_t limit() const { return file_.bytes > 0 ? file_.bytes : options_.max_bytes; }

  void note(std::string_view sentence) const {
    if (options_.note) options_.note(sentence);
  }

  [[nodiscard]] Download report(DownloadEnd end) const {
    return {.end = end,
            .path = final_,
            .partial = end == DownloadEnd::stopped ? part_.path() : fs::path(),
            .bytes = part_.size(),
            .resumed_from = first_,
            .received = received_};
  }

  [[nodiscard]] bool stop_wanted() const { return options_.stop && options_.stop(); }

  /// Tries until the part is as long as the file; false if stopped.
  bool fetch_whole() {
    for (int failures = 0;;) {
      if (file_.bytes > 0 && part_.size() == file_.bytes) return true;
      if (stop_wanted()) return false;
      const std::uint64_t before = received_;
      const HttpReply reply = get_rest();
      if (reply.end == HttpEnd::stopped) return false;
      if (reply.end == HttpEnd::unwanted) {  // a range that was not asked for: take the file from its start
        part_.clear();
        if (++failures < options_.tries) continue;
      }
      if (reply.end == HttpEnd::complete && is_whole(reply)) return true;
      if (received_ > before) failures = 0;
      if (++failures >= options_.tries) give_up(reply);
      if (!wait(failures, reply)) return false;
    }
  }

  HttpReply get_rest() {
    HttpRequest request{.url = file_.url,
                        .from = part_.size(),
                        .connect_seconds = options_.connect_seconds,
                        .stall_seconds = options_.stall_seconds,
                        .stop = options_.stop,
                        .agent = options_.agent};
    request.head = [&](const HttpHead& head) { return accept(head); };
    request.body = [&](std::span<const char> bytes) { take(bytes); };
    return http_get(request);
  }

  /// Looks at what the server is about to send; false where that cannot be put behind what is there.
  bool accept(const HttpHead& head) {
    if (head.status == 206 && head.first != part_.size()) return false;
    if (head.total) check_size(*head.total);
    if (head.status == 200 && part_.size() > 0) {
      note("the server cannot send only the rest; fetching the whole file again");
      part_.clear();
      first_ = 0;
    }
    total_ = head.total.value_or(file_.bytes);
    check_space();
    return true;
  }

  void check_size(std::uint64_t total) const {
    if (file_.bytes > 0 && total != file_.bytes) {
      fail(ErrorKind::data, "'{}' holds {} bytes on the server instead of {}: it is not the expected file", file_.url,
           total, file_.bytes);
    }
    if (total > limit()) {
      fail(ErrorKind::data, "'{}' holds {} bytes on the server, and more than {} are not taken", file_.url, total,
           limit());
    }
  }

  void check_space() const {
    std::error_code error;
    const fs::space_info space = fs::space(part_.path().parent_path(), error);
    if (error || total_ <= part_.size() || space.available >= total_ - part_.size()) return;
    fail(ErrorKind::failed,
         "'{}' needs {} more bytes in '{}' and {} are free; free some space or choose another folder with THAW_CACHE",
         file_.name, total_ - part_.size(), part_.path().parent_path().string(), space.available);
  }

  void take(std::span<const char> bytes) {
    if (part_.size() + bytes.size() > limit()) {
      part_.remove();
      fail(ErrorKind::data, "'{}' holds more than {} bytes: it is not the expected file", file_.url, limit());
    }
    part_.append(bytes);
    received_ += bytes.size();
    if (options_.progress) options_.progress(part_.size(), total_);
  }

  /// Whether a complete reply means that the file is there. Throws for an answer that no further try can mend.
  bool is_whole(const HttpReply& reply) {
    const long status = reply.head.status;
    if (status == 200 || status == 206) return file_.bytes == 0 || part_.size() == file_.bytes;
    if (status == 416) {  // nothing lies behind what is there: it is whole, or longer than the server's file
      if (reply.head.total && *reply.head.total == part_.size()) return true;
      part_.clear();
      first_ = 0;
      return false;
    }
    if (!is_passing(status)) {
      fail(ErrorKind::failed, "cannot fetch '{}': {} (HTTP {})", file_.url, meaning(status), status);
    }
    return false;
  }

  [[noreturn]] void give_up(const HttpReply& reply) const {
    const std::string reason =
        reply.end == HttpEnd::broken
            ? reply.reason
            : fmt::format("the server keeps answering HTTP {} with {} bytes", reply.head.status, part_.size());
    fail(ErrorKind::failed,
         "cannot fetch '{}': {} ({} tries). Check the network (a proxy is set with https_proxy), then start again{}",
         file_.url, reason, options_.tries,
         part_.size() > 0 ? fmt::format(": it goes on from the {} bytes that are there", part_.size()) : "");
  }

  /// Waits before the next try; false if stopped meanwhile.
  [[nodiscard]] bool wait(int failures, const HttpReply& reply) const {
    double seconds = options_.first_wait * static_cast<double>(1 << std::min(failures - 1, 10));
    seconds = std::min(std::max(seconds, reply.retry_after), longest_wait);
    const std::string what =
        reply.end == HttpEnd::broken ? reply.reason : fmt::format("the server answered HTTP {}", reply.head.status);
    note(fmt::format("{}; trying again in {:.1f} s from byte {}", what, seconds, part_.size()));
    using Clock = std::chrono::steady_clock;
    const auto end = Clock::now() + std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(seconds));
    while (Clock::now() < end) {
      if (stop_wanted()) return false;
      std::this_thread::sleep_for(std::min<Clock::duration>(end - Clock::now(), std::chrono::milliseconds(50)));
    }
    return true;
  }

  const RemoteFile& file_;
  const DownloadOptions& options_;
  fs::path final_;
  PartialFile part_;
  std::uint64_t first_ = 0;
  std::uint64_t received_ = 0;
  std::uint64_t total_ = 0;
};

}  // namespace

Download download(const RemoteFile& file, const fs::path& folder, const DownloadOptions& options) {
  const fs::path path = folder / file.name;
  if (fs::exists(path) && !options.force) {
    const Checked digest = check_digest(file, path);
    if (digest.ok()) return {.end = DownloadEnd::present, .path = path, .bytes = fs::file_size(path)};
    fail(ErrorKind::data, "'{}' is there but has {} {} instead of {}; move it away, or replace it with --force",
         path.string(), digest.algorithm, digest.found, digest.wanted);
  }
  return Downloader(file, folder, options).run();
}

}  // namespace thaw
