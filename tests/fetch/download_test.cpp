#include "fetch/download.h"

#include <gmock/gmock.h>
#include <sys/resource.h>

#include <csignal>
#include <fstream>

#include "kernels/error.h"
#include "kernels/files.h"
#include "tests/fetch/server.h"

namespace thaw::testing {
namespace {

namespace fs = std::filesystem;
using ::testing::AllOf;
using ::testing::HasSubstr;

/// Bytes that differ at every position, so that a part in the wrong place is noticed.
std::string content(std::size_t bytes) {
  std::string text(bytes, '\0');
  std::uint32_t state = 1;
  for (char& c : text) c = static_cast<char>((state = state * 1664525U + 1013904223U) >> 24U);
  return text;
}

std::string sha256_of(const std::string& text) {
  return sha256({reinterpret_cast<const std::uint8_t*>(text.data()), text.size()});
}

class DownloadTest : public ::testing::Test {
 protected:
  DownloadTest() {
    std::string pattern = (fs::temp_directory_path() / "thaw-fetch-XXXXXX").string();
    folder_ = ::mkdtemp(pattern.data());
  }
  ~DownloadTest() override { fs::remove_all(folder_); }

  RemoteFile file(const HttpServer& server) const {
    return {.name = "photos.tgz", .url = server.url("photos.tgz"), .bytes = whole_.size(), .sha256 = sha256_of(whole_)};
  }

  DownloadOptions quick() {
    DownloadOptions options{.tries = 3, .first_wait = 0.01};
    options.note = [this](std::string_view text) { notes_.append(text).append("\n"); };
    return options;
  }

  void leave_part(const std::string& bytes) const { write_file_atomically(part(), bytes); }
  fs::path path() const { return folder_ / "photos.tgz"; }
  fs::path part() const { return folder_ / "photos.tgz.part"; }

  /// The sentence and kind of what `download` throws.
  std::string error_of(const RemoteFile& file, ErrorKind kind, DownloadOptions options) {
    try {
      download(file, folder_, options);
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), kind) << error.what();
      return error.what();
    }
    return "nothing was thrown";
  }

  std::string whole_ = content(300'000);
  fs::path folder_;
  std::string notes_;
};

TEST_F(DownloadTest, PutsTheWholeFileUnderItsNameAndLeavesNothingElse) {
  const HttpServer server([&](const Request& request, std::size_t) { return file_answer(request, whole_); });
  std::uint64_t last = 0, total = 0;
  DownloadOptions options = quick();
  options.progress = [&](std::uint64_t done, std::uint64_t all) { last = done, total = all; };
  const Download result = download(file(server), folder_, options);
  EXPECT_EQ(result.end, DownloadEnd::downloaded);
  EXPECT_EQ(read_file(path()), whole_);
  EXPECT_EQ(result.received, whole_.size());
  EXPECT_EQ(last, whole_.size());
  EXPECT_EQ(total, whole_.size());
  EXPECT_EQ(std::distance(fs::directory_iterator(folder_), fs::directory_iterator()), 1);
}

TEST_F(DownloadTest, GoesOnWhereTheConnectionBroke) {
  const HttpServer server([&](const Request& request, std::size_t number) {
    Answer answer = file_answer(request, whole_);
    if (number < 3) answer.cut_after = 70'000;
    return answer;
  });
  const Download result = download(file(server), folder_, quick());
  EXPECT_EQ(read_file(path()), whole_);
  EXPECT_EQ(result.received, whole_.size());
  EXPECT_EQ(server.sent(), whole_.size()) << "no byte twice";
  ASSERT_EQ(server.requests().size(), 4U);
  EXPECT_EQ(server.requests()[3].from, 210'000U);
  EXPECT_THAT(notes_, HasSubstr("trying again"));
}

TEST_F(DownloadTest, AsksOnlyForTheRestOfWhatAnEarlierCallLeft) {
  leave_part(whole_.substr(0, 123'456));
  const HttpServer server([&](const Request& request, std::size_t) { return file_answer(request, whole_); });
  const Download result = download(file(server), folder_, quick());
  EXPECT_EQ(read_file(path()), whole_);
  EXPECT_EQ(result.resumed_from, 123'456U);
  EXPECT_EQ(result.received, whole_.size() - 123'456);
  EXPECT_EQ(server.sent(), whole_.size() - 123'456);
}

TEST_F(DownloadTest, StartsOverWhereTheServerKnowsNoRanges) {
  leave_part(whole_.substr(0, 1000));
  const HttpServer server([&](const Request&, std::size_t) { return Answer{.body = whole_}; });
  const Download result = download(file(server), folder_, quick());
  EXPECT_EQ(read_file(path()), whole_);
  EXPECT_EQ(result.resumed_from, 0U);
  EXPECT_THAT(notes_, HasSubstr("cannot send only the rest"));
}

TEST_F(DownloadTest, StartsOverWhereTheServerSendsAnotherRange) {
  leave_part(whole_.substr(0, 1000));
  const HttpServer server([&](const Request& request, std::size_t) {
    return file_answer({.path = request.path, .from = request.from ? std::optional<std::uint64_t>(7) : std::nullopt},
                       whole_);
  });
  download(file(server), folder_, quick());
  EXPECT_EQ(read_file(path()), whole_);
}

TEST_F(DownloadTest, FetchesAnewWhenAnOldPartDoesNotFitTheRest) {
  leave_part(std::string(1000, 'x'));
  const HttpServer server([&](const Request& request, std::size_t) { return file_answer(request, whole_); });
  download(file(server), folder_, quick());
  EXPECT_EQ(read_file(path()), whole_);
  EXPECT_THAT(notes_, HasSubstr("does not fit the rest"));
}

TEST_F(DownloadTest, TakesAPartThatIsWholeWithoutAskingTheServer) {
  leave_part(whole_);
  const HttpServer server([&](const Request& request, std::size_t) { return file_answer(request, whole_); });
  EXPECT_EQ(download(file(server), folder_, quick()).received, 0U);
  EXPECT_EQ(read_file(path()), whole_);
  EXPECT_EQ(server.requests().size(), 0U);
}

TEST_F(DownloadTest, TakesAPartThatIsWholeWhereOnlyTheServerKnowsTheSize) {
  leave_part(whole_);
  const HttpServer server([&](const Request& request, std::size_t) { return file_answer(request, whole_); });
  RemoteFile unsized = file(server);
  unsized.bytes = 0;
  EXPECT_EQ(download(unsized, folder_, quick()).received, 0U);
  EXPECT_EQ(read_file(path()), whole_);
}

TEST_F(DownloadTest, RefusesAnotherContentAndKeepsNothingOfIt) {
  std::string other = whole_;
  other[5] = static_cast<char>(other[5] ^ 1);
  const HttpServer server([&](const Request& request, std::size_t) { return file_answer(request, other); });
  EXPECT_THAT(error_of(file(server), ErrorKind::data, quick()),
              AllOf(HasSubstr(sha256_of(other)), HasSubstr(sha256_of(whole_)), HasSubstr("not kept")));
  EXPECT_FALSE(fs::exists(path()));
  EXPECT_FALSE(fs::exists(part()));
}

TEST_F(DownloadTest, RefusesAFileOfAnotherSizeBeforeTakingIt) {
  const HttpServer server([&](const Request& request, std::size_t) { return file_answer(request, whole_ + "x"); });
  EXPECT_THAT(error_of(file(server), ErrorKind::data, quick()),
              HasSubstr("300001 bytes on the server instead of 300000"));
  EXPECT_EQ(fs::exists(part()), false);
}

TEST_F(DownloadTest, TakesNoMoreThanItsLimit) {
  const HttpServer server([&](const Request& request, std::size_t) { return file_answer(request, whole_); });
  RemoteFile unsized = file(server);
  unsized.bytes = 0;
  DownloadOptions options = quick();
  options.max_bytes = 1000;
  EXPECT_THAT(error_of(unsized, ErrorKind::data, options), HasSubstr("more than 1000"));
}

TEST_F(DownloadTest, NamesAFileThatTheServerDoesNotHave) {
  const HttpServer server([&](const Request&, std::size_t) { return Answer{.status = 404, .body = "no"}; });
  EXPECT_THAT(error_of(file(server), ErrorKind::failed, quick()),
              AllOf(HasSubstr("no such file on the server (HTTP 404)"), HasSubstr("photos.tgz")));
  EXPECT_EQ(server.requests().size(), 1U) << "asking again does not help";
  EXPECT_FALSE(fs::exists(part()));
}

TEST_F(DownloadTest, WaitsForAServerThatIsBusy) {
  const HttpServer server([&](const Request& request, std::size_t number) {
    return number < 2 ? Answer{.status = 503, .body = "busy"} : file_answer(request, whole_);
  });
  download(file(server), folder_, quick());
  EXPECT_EQ(read_file(path()), whole_);
  EXPECT_THAT(notes_, HasSubstr("HTTP 503"));
}

TEST_F(DownloadTest, GivesUpAfterSoManyFailuresInARowAndKeepsThePart) {
  const HttpServer server([&](const Request& request, std::size_t number) {
    Answer answer = file_answer(request, whole_);
    answer.cut_after = number == 0 ? 50'000 : 0;
    return answer;
  });
  EXPECT_THAT(error_of(file(server), ErrorKind::failed, quick()), HasSubstr("goes on from the 50000 bytes"));
  EXPECT_EQ(fs::file_size(part()), 50'000U);
}

TEST_F(DownloadTest, FollowsARedirect) {
  const HttpServer server([&](const Request& request, std::size_t) {
    if (request.path == "/photos.tgz") {
      return Answer{.status = 302, .body = "over there", .headers = "Location: /elsewhere\r\n"};
    }
    return file_answer(request, whole_);
  });
  leave_part(whole_.substr(0, 1000));
  download(file(server), folder_, quick());
  EXPECT_EQ(read_file(path()), whole_);
  EXPECT_EQ(server.requests().back().from, 1000U);
}

TEST_F(DownloadTest, EndsAChainOfRedirectsThatLeadsNowhere) {
  const HttpServer server([&](const Request&, std::size_t) {
    return Answer{.status = 302, .body = "", .headers = "Location: /photos.tgz\r\n"};
  });
  EXPECT_THAT(error_of(file(server), ErrorKind::failed, quick()), HasSubstr("redirects"));
  EXPECT_EQ(server.requests().size(), 6U);
}

TEST_F(DownloadTest, FollowsNoRedirectToAFileOfThisMachine) {
  const HttpServer server([&](const Request&, std::size_t) {
    return Answer{.status = 302, .body = "", .headers = "Location: file:///etc/passwd\r\n"};
  });
  EXPECT_THAT(error_of(file(server), ErrorKind::usage, quick()), HasSubstr("http and https"));
}

TEST_F(DownloadTest, RefusesOtherProtocols) {
  RemoteFile local{.name = "photos.tgz", .url = "file:///etc/passwd", .sha256 = sha256_of(whole_)};
  EXPECT_THAT(error_of(local, ErrorKind::usage, quick()), HasSubstr("http and https"));
}

TEST_F(DownloadTest, SaysThatNobodyAnswersAndWhatToCheck) {
  RemoteFile nowhere{.name = "photos.tgz", .url = "http://127.0.0.1:1/photos.tgz", .sha256 = sha256_of(whole_)};
  ::setenv("no_proxy", "127.0.0.1", 1);
  EXPECT_THAT(error_of(nowhere, ErrorKind::failed, quick()), AllOf(HasSubstr("127.0.0.1:1"), HasSubstr("proxy")));
}

TEST_F(DownloadTest, TakesASilentConnectionForABrokenOne) {
  const HttpServer server([&](const Request& request, std::size_t number) {
    Answer answer = file_answer(request, whole_);
    if (number == 0) answer.cut_after = 1000, answer.hang = true;
    return answer;
  });
  DownloadOptions options = quick();
  options.stall_seconds = 1;
  EXPECT_EQ(download(file(server), folder_, options).received, whole_.size());
  EXPECT_EQ(read_file(path()), whole_);
}

TEST_F(DownloadTest, StopsWhenToldToAndKeepsThePart) {
  const HttpServer server([&](const Request& request, std::size_t) {
    Answer answer = file_answer(request, whole_);
    if (!request.from) answer.cut_after = 1000, answer.hang = true;
    return answer;
  });
  DownloadOptions options = quick();
  bool told = false;
  options.progress = [&](std::uint64_t done, std::uint64_t) { told = done == 1000; };
  options.stop = [&] { return told; };
  const Download stopped = download(file(server), folder_, options);
  EXPECT_EQ(stopped.end, DownloadEnd::stopped);
  EXPECT_EQ(stopped.bytes, 1000U);
  EXPECT_EQ(read_file(part()), whole_.substr(0, 1000));
  EXPECT_EQ(download(file(server), folder_, quick()).received, whole_.size() - 1000);
}

TEST_F(DownloadTest, StopsWithinAWaitBetweenTwoTries) {
  const HttpServer server([&](const Request&, std::size_t) { return Answer{.status = 503, .body = ""}; });
  DownloadOptions options = quick();
  options.first_wait = 30;
  options.stop = [&] { return !server.requests().empty(); };
  EXPECT_EQ(download(file(server), folder_, options).end, DownloadEnd::stopped);
}

TEST_F(DownloadTest, ChecksAFileThatIsThereAndAsksNobody) {
  write_file_atomically(path(), whole_);
  const HttpServer server([&](const Request& request, std::size_t) { return file_answer(request, whole_); });
  EXPECT_EQ(download(file(server), folder_, quick()).end, DownloadEnd::present);
  EXPECT_EQ(server.requests().size(), 0U);
}

TEST_F(DownloadTest, NeverReplacesAnotherFileOfTheNameUnasked) {
  write_file_atomically(path(), "my own");
  const HttpServer server([&](const Request& request, std::size_t) { return file_answer(request, whole_); });
  EXPECT_THAT(error_of(file(server), ErrorKind::data, quick()), AllOf(HasSubstr("is there but"), HasSubstr("--force")));
  EXPECT_EQ(read_file(path()), "my own");
  DownloadOptions options = quick();
  options.force = true;
  EXPECT_EQ(download(file(server), folder_, options).end, DownloadEnd::downloaded);
  EXPECT_EQ(read_file(path()), whole_);
}

TEST_F(DownloadTest, SaysThatAnotherProcessIsAtIt) {
  const HttpServer server([&](const Request& request, std::size_t) { return file_answer(request, whole_); });
  DownloadOptions options = quick();
  options.progress = [&](std::uint64_t, std::uint64_t) {
    EXPECT_THAT(error_of(file(server), ErrorKind::failed, quick()), HasSubstr("another process"));
  };
  EXPECT_EQ(download(file(server), folder_, options).end, DownloadEnd::downloaded);
}

TEST_F(DownloadTest, SaysWhatIsMissingWhenTheDiskIsFullAndKeepsThePart) {
  const HttpServer server([&](const Request& request, std::size_t) { return file_answer(request, whole_); });
  rlimit before{};
  ::getrlimit(RLIMIT_FSIZE, &before);
  const rlimit small{.rlim_cur = 100'000, .rlim_max = before.rlim_max};
  std::signal(SIGXFSZ, SIG_IGN);
  ::setrlimit(RLIMIT_FSIZE, &small);
  const std::string sentence = error_of(file(server), ErrorKind::failed, quick());
  ::setrlimit(RLIMIT_FSIZE, &before);
  std::signal(SIGXFSZ, SIG_DFL);
  EXPECT_THAT(sentence, AllOf(HasSubstr("photos.tgz.part"), HasSubstr("goes on from the 100000 bytes")));
  EXPECT_EQ(download(file(server), folder_, quick()).resumed_from, 100'000U);
}

TEST_F(DownloadTest, AsksForRoomBeforeItTakesAFileThatCannotFit) {
  const HttpServer server([&](const Request&, std::size_t) {
    return Answer{.body = "start", .headers = "Content-Range: bytes 0-1/1152921504606846976\r\n"};
  });
  RemoteFile huge = file(server);
  huge.bytes = std::uint64_t{1} << 60U;
  EXPECT_THAT(error_of(huge, ErrorKind::failed, quick()), HasSubstr("are free"));
}

}  // namespace
}  // namespace thaw::testing
