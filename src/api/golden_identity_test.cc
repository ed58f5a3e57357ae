// SPDX-License-Identifier: Apache-2.0
//
// Recorded exchanges of accounts, roles and sessions (api/golden.h), and what a session may do.

#include <gmock/gmock.h>

#include "api/golden.h"
#include "aws/encoding.h"
#include "store/sqlite.h"

namespace dormouse::api {
namespace {

using testing::HasSubstr;

constexpr const char* kAccounts = "/dormouse/2026-11-01/accounts";
constexpr const char* kTenant = "111111111111";
constexpr const char* kTrust =
    R"({"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":"*","Action":"sts:AssumeRole"}]})";

TestRequest form(const std::string& service, const std::string& body) {
  return {"POST", "/", body, service, {{"Content-Type", "application/x-www-form-urlencoded; charset=utf-8"}}};
}
TestRequest iam(const std::string& body) { return form("iam", body + "&Version=2010-05-08"); }
TestRequest sts(const std::string& body) { return form("sts", body + "&Version=2011-06-15"); }

std::string encoded(const std::string& text) { return aws::percent_encode(text, aws::Slash::kEncode); }
std::string create_role(const std::string& name, const std::string& members = "") {
  return "Action=CreateRole&RoleName=" + name + "&AssumeRolePolicyDocument=" + encoded(kTrust) + members;
}
std::string assume(const std::string& role, const std::string& members = "") {
  return "Action=AssumeRole&RoleSessionName=me&RoleArn=" + encoded("arn:aws:iam::000000000000:role/" + role) + members;
}

// The text of the first match's first group.
std::string part(const net::Response& response, const char* pattern) {
  std::smatch match;
  const std::string& body = std::get<std::string>(response.body);
  return std::regex_search(body, match, std::regex(pattern)) ? match[1].str() : "";
}

class IdentityTest : public GoldenTest {
 protected:
  TestClient session(const net::Response& assumed) {
    aws::Credential credential{part(assumed, "<AccessKeyId>(.*)</AccessKeyId>"),
                               part(assumed, "<SecretAccessKey>(.*)</SecretAccessKey>")};
    credential.session_token = part(assumed, "<SessionToken>(.*)</SessionToken>");
    return TestClient(world.api, credential, world.control.clock);
  }
  TestClient tenant() {
    world.send({"POST", kAccounts, fmt::format(R"({{"accountId":"{}","name":"a tenant"}})", kTenant)});
    const net::Response key = world.send({"POST", fmt::format("{}/{}/keys", kAccounts, kTenant)});
    const aws::Credential credential{part(key, "accessKeyId\":\"(\\w+)"), part(key, "secretAccessKey\":\"([^\"]+)")};
    return TestClient(world.api, credential, world.control.clock);
  }
  std::string path(const std::string& rest = "") { return fmt::format("{}/{}{}", kAccounts, kTenant, rest); }
};

TEST_F(IdentityTest, Roles) {
  check("CreateRole/success",
        iam(create_role("build", "&Description=it+builds&Tags.member.1.Key=team&Tags.member.1.Value=a")));
  check("CreateRole/exists", iam(create_role("Build")));
  check("CreateRole/constraints", iam("Action=CreateRole&RoleName=a%20b&MaxSessionDuration=60"));
  check("CreateRole/no_policy", iam("Action=CreateRole&RoleName=other&AssumeRolePolicyDocument=nonsense"));
  check("CreateRole/no_number", iam(create_role("other", "&MaxSessionDuration=long")));
  check("GetRole/success", iam("Action=GetRole&RoleName=build"));
  check("GetRole/missing", iam("Action=GetRole&RoleName=absent"));
  world.send(iam(create_role("second", "&Path=%2Fteam%2F")));
  check("ListRoles/success", iam("Action=ListRoles"));
  check("ListRoles/filtered", iam("Action=ListRoles&PathPrefix=%2Fteam%2F"));
  const net::Response first = check("ListRoles/first_page", iam("Action=ListRoles&MaxItems=1"));
  check("ListRoles/last_page", iam("Action=ListRoles&MaxItems=1&Marker=" + part(first, "<Marker>(.*)</Marker>")));
  check("ListRoles/forged_marker", iam("Action=ListRoles&Marker=forged"));
  check("ListRoles/no_number", iam("Action=ListRoles&MaxItems=few"));
  check("DeleteRole/success", iam("Action=DeleteRole&RoleName=second"));
  check("DeleteRole/missing", iam("Action=DeleteRole&RoleName=second"));
}

TEST_F(IdentityTest, PoliciesOfRoles) {
  const std::string policy = encoded(R"({"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"*"}})");
  const std::string on_role = "&RoleName=build&PolicyName=all";
  const std::string arn = "&RoleName=build&PolicyArn=" + encoded("arn:aws:iam::aws:policy/AdministratorAccess");
  check("PutRolePolicy/no_role", iam("Action=PutRolePolicy" + on_role + "&PolicyDocument=" + policy));
  world.send(iam(create_role("build")));
  check("PutRolePolicy/success", iam("Action=PutRolePolicy" + on_role + "&PolicyDocument=" + policy));
  check("PutRolePolicy/malformed", iam("Action=PutRolePolicy" + on_role + "&PolicyDocument=%7B%7D"));
  check("GetRolePolicy/success", iam("Action=GetRolePolicy" + on_role));
  check("GetRolePolicy/missing", iam("Action=GetRolePolicy&RoleName=build&PolicyName=none"));
  check("ListRolePolicies/success", iam("Action=ListRolePolicies&RoleName=build"));
  check("AttachRolePolicy/success", iam("Action=AttachRolePolicy" + arn));
  check("AttachRolePolicy/absent",
        iam("Action=AttachRolePolicy&RoleName=build&PolicyArn=" + encoded("arn:aws:iam::000000000000:policy/own")));
  check("ListAttachedRolePolicies/success", iam("Action=ListAttachedRolePolicies&RoleName=build"));
  check("DeleteRole/attached", iam("Action=DeleteRole&RoleName=build"));
  check("DetachRolePolicy/success", iam("Action=DetachRolePolicy" + arn));
  check("DetachRolePolicy/absent", iam("Action=DetachRolePolicy" + arn));
  check("DeleteRole/inline", iam("Action=DeleteRole&RoleName=build"));
  check("DeleteRolePolicy/success", iam("Action=DeleteRolePolicy" + on_role));
  check("DeleteRolePolicy/missing", iam("Action=DeleteRolePolicy" + on_role));
}

TEST_F(IdentityTest, RolesThatAreNotThere) {
  const std::string policy = "&RoleName=absent&PolicyName=all";
  const std::string arn = "&RoleName=absent&PolicyArn=" + encoded("arn:aws:iam::aws:policy/AdministratorAccess");
  for (const std::string operation : {"GetRolePolicy", "DeleteRolePolicy"}) {
    check(operation + "/no_role", iam("Action=" + operation + policy));
  }
  for (const std::string operation : {"AttachRolePolicy", "DetachRolePolicy"}) {
    check(operation + "/no_role", iam("Action=" + operation + arn));
  }
  for (const std::string operation : {"ListRolePolicies", "ListAttachedRolePolicies"}) {
    check(operation + "/no_role", iam("Action=" + operation + "&RoleName=absent"));
  }
}

TEST_F(IdentityTest, ListingsOfPoliciesComeInPages) {
  world.send(iam(create_role("build")));
  const std::string policy = encoded(R"({"Statement":[]})");
  const std::string arn = encoded("arn:aws:iam::aws:policy/");
  for (const std::string name : {"one", "two"}) {
    world.send(iam("Action=PutRolePolicy&RoleName=build&PolicyName=" + name + "&PolicyDocument=" + policy));
    world.send(iam("Action=AttachRolePolicy&RoleName=build&PolicyArn=" + arn + name));
  }
  for (const std::string operation : {"ListRolePolicies", "ListAttachedRolePolicies"}) {
    const std::string list = "Action=" + operation + "&RoleName=build";
    const net::Response first = check(operation + "/first_page", iam(list + "&MaxItems=1"));
    const std::string marker = part(first, "<Marker>(.*)</Marker>");
    check(operation + "/last_page", iam(list + "&MaxItems=1&Marker=" + marker));
    check(operation + "/forged_marker", iam(list + "&Marker=forged"));
    check(operation + "/no_number", iam(list + "&MaxItems=few"));
  }
}

TEST_F(IdentityTest, PoliciesAndArnsThatAreNone) {
  const std::string role = "&RoleName=build";
  check("CreateRole/no_statement", iam("Action=CreateRole&RoleName=build&AssumeRolePolicyDocument=%7B%7D"));
  check("CreateRole/bad_tags", iam(create_role("build", "&Tags.member.1.Key=a%21&Tags.member.2.Key=b")));
  world.send(iam(create_role("build")));
  check("PutRolePolicy/no_json", iam("Action=PutRolePolicy&PolicyName=all&PolicyDocument=nonsense" + role));
  check("AttachRolePolicy/no_policy",
        iam("Action=AttachRolePolicy&PolicyArn=" + encoded("arn:aws:iam::aws:user/somebody") + role));
  const std::string assume_role = "Action=AssumeRole&RoleSessionName=me&RoleArn=";
  check("AssumeRole/no_role", sts(assume_role + encoded("arn:aws:iam::000000000000:user/build")));
  check("AssumeRole/other_account", sts(assume_role + encoded("arn:aws:iam::111111111111:role/build")));
  check("AssumeRole/no_number", sts(assume("build", "&DurationSeconds=long")));
  check("GetCallerIdentity/no_form", sts("Action=GetCallerIdentity&Name=%F"));
}

TEST_F(IdentityTest, RolesAndTheirPoliciesHaveLimits) {
  const auto policy_of = [](std::size_t size) {
    return encoded(R"({"Statement":[],"Id":")" + std::string(size, 'x') + R"("})");
  };
  check("CreateRole/long_policy",
        iam("Action=CreateRole&RoleName=build&AssumeRolePolicyDocument=" + policy_of(control::Roles::kTrustPolicyMax)));
  world.send(iam(create_role("build")));
  check("PutRolePolicy/too_large",
        iam("Action=PutRolePolicy&RoleName=build&PolicyName=all&PolicyDocument=" +
            policy_of(control::Roles::kInlineBytesMax)));
  const std::string attach = "Action=AttachRolePolicy&RoleName=build&PolicyArn=" + encoded("arn:aws:iam::aws:policy/p");
  for (std::size_t attached = 0; attached < control::Roles::kAttachedMax; ++attached) {
    EXPECT_EQ(world.send(iam(attach + std::to_string(attached))).status, 200);
  }
  check("AttachRolePolicy/too_many", iam(attach + "-more"));
  for (std::size_t roles = 1; roles < control::Roles::kRolesMax; ++roles) {
    const std::string name = fmt::format("role-{}", roles);
    const store::RoleRow row{TestWorld::kAccount, name, name, world.control.clock.wall(), "{}"};
    ASSERT_TRUE(world.control.identities->insert_role(row));
  }
  check("CreateRole/too_many", iam(create_role("more")));
}

TEST_F(IdentityTest, RecordsOfRolesThatCannotBeRead) {
  {
    const auto database = store::SqliteConnection::open(world.control.directory.path() / "metadata.sqlite",
                                                        store::SqliteConnection::Mode::kReadWriteCreate);
    ASSERT_TRUE(database);
    ASSERT_TRUE((*database)->execute("DROP TABLE roles"));
  }
  const std::string policy = "&RoleName=build&PolicyName=all";
  const std::string arn = "&RoleName=build&PolicyArn=" + encoded("arn:aws:iam::aws:policy/AdministratorAccess");
  const std::pair<std::string, TestRequest> requests[] = {
      {"CreateRole", iam(create_role("build"))},
      {"GetRole", iam("Action=GetRole&RoleName=build")},
      {"ListRoles", iam("Action=ListRoles")},
      {"DeleteRole", iam("Action=DeleteRole&RoleName=build")},
      {"PutRolePolicy", iam("Action=PutRolePolicy&PolicyDocument=" + encoded(kTrust) + policy)},
      {"GetRolePolicy", iam("Action=GetRolePolicy" + policy)},
      {"DeleteRolePolicy", iam("Action=DeleteRolePolicy" + policy)},
      {"ListRolePolicies", iam("Action=ListRolePolicies&RoleName=build")},
      {"AttachRolePolicy", iam("Action=AttachRolePolicy" + arn)},
      {"DetachRolePolicy", iam("Action=DetachRolePolicy" + arn)},
      {"ListAttachedRolePolicies", iam("Action=ListAttachedRolePolicies&RoleName=build")},
      {"AssumeRole", sts(assume("build"))},
  };
  for (const auto& [operation, request] : requests) {
    const net::Response response = check(operation + "/internal", request);
    EXPECT_EQ(response.status, 500) << operation;
    EXPECT_EQ(std::get<std::string>(response.body).find("roles"), std::string::npos) << operation;
  }
}

TEST_F(IdentityTest, SessionActsForItsAccountUntilItExpires) {
  world.send(iam(create_role("build")));
  const net::Response assumed = check("AssumeRole/success", sts(assume("build")));
  check("AssumeRole/absent", sts(assume("absent")));
  check("AssumeRole/short", sts(assume("build", "&DurationSeconds=60")));
  check("AssumeRole/long", sts(assume("build", "&DurationSeconds=7200")));
  check("AssumeRole/with_source", sts(assume("build", "&SourceIdentity=somebody")));
  TestClient client = session(assumed);
  const net::Response identity = client.send(sts("Action=GetCallerIdentity"));
  compare("GetCallerIdentity/session.response", written(identity));
  EXPECT_EQ(client.send(create(TestWorld::image_body("demo"))).status, 201);
  EXPECT_EQ(world.send(get(image_path("demo"))).status, 200);
  EXPECT_EQ(client.send({"POST", kAccounts, "{}"}).status, 403) << "a session is no administrator";
  world.send(iam(create_role("long", "&MaxSessionDuration=7200")));
  compare("AssumeRole/chained.response", written(client.send(sts(assume("long", "&DurationSeconds=3601")))));
  world.control.clock.advance(std::chrono::hours(1));
  compare("GetCallerIdentity/expired.response", written(client.send(sts("Action=GetCallerIdentity"))));
  const net::Response expired = client.send(get(image_path("demo")));
  EXPECT_EQ(expired.status, 403);
  EXPECT_EQ(expired.headers.find("x-amzn-errortype"), "ExpiredTokenException");
  EXPECT_EQ(std::get<std::string>(expired.body),
            R"({"message":"The security token included in the request is expired"})");
}

TEST_F(IdentityTest, TokenOfAnotherKeyIsInvalid) {
  world.send(iam(create_role("build")));
  const net::Response assumed = world.send(sts(assume("build")));
  aws::Credential credential{"ASIAAAAAAAAAAAAAAAAA", part(assumed, "<SecretAccessKey>(.*)</SecretAccessKey>")};
  credential.session_token = part(assumed, "<SessionToken>(.*)</SessionToken>");
  TestClient client(world.api, credential, world.control.clock);
  compare("GetCallerIdentity/other_token.response", written(client.send(sts("Action=GetCallerIdentity"))));
}

TEST(GlobalServicesTest, TheirRegionIsTakenWhereverTheServerIs) {
  Api::Options options;
  options.region = "eu-west-1";
  TestWorld elsewhere({}, options);
  EXPECT_EQ(elsewhere.send(iam("Action=ListRoles")).status, 200);
  EXPECT_EQ(elsewhere.send(sts("Action=GetCallerIdentity")).status, 200);
  EXPECT_EQ(elsewhere.send(get(kImages)).status, 403) << "it is signed for us-east-1";
}

TEST_F(IdentityTest, Accounts) {
  check("CreateAccount/success", {"POST", kAccounts, R"({"accountId":"111111111111","name":"a tenant"})"});
  check("CreateAccount/exists", {"POST", kAccounts, R"({"accountId":"111111111111"})"});
  check("CreateAccount/short", {"POST", kAccounts, R"({"accountId":"1"})"});
  check("ListAccounts/success", {"GET", kAccounts});
  check("ListAccounts/too_few", {"GET", std::string(kAccounts) + "?maxResults=0"});
  check("ListAccounts/too_many", {"GET", std::string(kAccounts) + "?maxResults=51"});
  check("DescribeAccount/success", {"GET", path()});
  check("DescribeAccount/missing", {"GET", std::string(kAccounts) + "/999999999999"});
  check(
      "SetAccountQuotas/success",
      {"PUT", path("/quotas"), R"({"quotas":[{"name":"images","allowed":1},{"name":"rate:RunMicrovm","allowed":2}]})"});
  check("SetAccountQuotas/unknown", {"PUT", path("/quotas"), R"({"quotas":[{"name":"image","allowed":1}]})"});
  check("SetAccountQuotas/no_operation", {"PUT", path("/quotas"), R"({"quotas":[{"name":"rate:Run","allowed":1}]})"});
  check("SetAccountQuotas/reset", {"PUT", path("/quotas"), R"({"reset":["images","rate:RunMicrovm"]})"});
  const net::Response key = check("CreateAccountKey/success", {"POST", path("/keys")});
  const std::string id = part(key, "accessKeyId\":\"(\\w+)");
  world.control.clock.advance(std::chrono::seconds(1));  // keys are listed by age
  check("RotateAccountKey/missing", {"POST", path("/keys/AKIAABSENT/rotation"), "{}"});
  check("RotateAccountKey/negative", {"POST", path("/keys/" + id + "/rotation"), R"({"overlapInSeconds":-1})"});
  check("RotateAccountKey/success", {"POST", path("/keys/" + id + "/rotation"), R"({"overlapInSeconds":60})"});
  check("ListAccountKeys/success", {"GET", path("/keys")});
  world.control.clock.advance(std::chrono::seconds(60));
  check("RotateAccountKey/expired", {"POST", path("/keys/" + id + "/rotation"), "{}"});
  check("RevokeAccountKey/success", {"DELETE", path("/keys/" + id)});
  check("RevokeAccountKey/missing", {"DELETE", path("/keys/" + id)});
  check("RevokeAccountKey/file", {"DELETE", std::string(kAccounts) + "/000000000000/keys/AKIDEXAMPLE"});
  for (std::size_t more = 0; more < control::Accounts::kKeysMax; ++more) {
    world.send({"POST", path("/keys")});
  }
  check("CreateAccountKey/too_many", {"POST", path("/keys")});
  const std::string last = part(world.send({"GET", path("/keys")}), "accessKeyId\":\"(\\w+)");
  check("RotateAccountKey/too_many", {"POST", path("/keys/" + last + "/rotation"), "{}"});
  check("DeleteAccount/success", {"DELETE", path()});
  check("DeleteAccount/missing", {"DELETE", path()});
  check("SetAccountQuotas/missing", {"PUT", path("/quotas"), "{}"});
  check("CreateAccountKey/missing", {"POST", path("/keys")});
  check("ListAccountKeys/missing", {"GET", path("/keys")});
  check("DeleteAccount/administrator", {"DELETE", std::string(kAccounts) + "/000000000000"});
}

TEST_F(IdentityTest, TenantSeesItselfAndManagesNothing) {
  TestClient client = tenant();
  EXPECT_EQ(client.send({"GET", path()}).status, 200);
  const std::string key = path("/keys/AKIAAAAAAAAAAAAAAAAA");
  for (const auto& [operation, request] :
       {std::pair<std::string, TestRequest>{"CreateAccount", {"POST", kAccounts, "{}"}},
        {"ListAccounts", {"GET", kAccounts}},
        {"DescribeAccount", {"GET", std::string(kAccounts) + "/000000000000"}},
        {"DeleteAccount", {"DELETE", path()}},
        {"SetAccountQuotas", {"PUT", path("/quotas"), "{}"}},
        {"CreateAccountKey", {"POST", path("/keys")}},
        {"ListAccountKeys", {"GET", path("/keys")}},
        {"RevokeAccountKey", {"DELETE", key}},
        {"RotateAccountKey", {"POST", key + "/rotation", "{}"}},
        {"DescribeStorage", {"GET", "/dormouse/2026-11-01/storage"}}}) {
    const net::Response refused = client.send(request);
    EXPECT_EQ(refused.status, 403) << operation;
    compare(operation + "/other_account.request", written(request));
    compare(operation + "/other_account.response", written(refused));
  }
}

TEST_F(IdentityTest, VmsOfAnotherAccountAreNotThere) {
  world.create_image("demo");
  const std::string id = world.run_microvm(TestWorld::image_arn("demo"));
  TestClient client = tenant();
  const std::string absent = "microvm-0badc0de-0000-4000-8000-0badc0de0bad";
  const auto ask = [&](const std::string& vm) {
    std::vector<std::pair<int, std::string>> answers;
    for (const TestRequest& request :
         {TestRequest{"GET", vm_path(vm)},
          TestRequest{"POST", vm_path(vm, "/suspend")},
          TestRequest{"POST", vm_path(vm, "/resume")},
          TestRequest{"DELETE", vm_path(vm)},
          TestRequest{"POST", vm_path(vm, "/auth-token"), R"({"expirationInMinutes":5,"allowedPorts":[{"port":1}]})"},
          TestRequest{"POST", vm_path(vm, "/shell-auth-token"), R"({"expirationInMinutes":5})"},
          TestRequest{"GET", "/dormouse/2026-11-01/microvms/" + vm}}) {
      const net::Response response = client.send(request);
      answers.emplace_back(response.status,
                           std::regex_replace(std::get<std::string>(response.body), std::regex(vm), "<id>"));
      EXPECT_EQ(response.status, 404) << request.method << " " << request.target;
    }
    return answers;
  };
  EXPECT_EQ(ask(id), ask(absent)) << "tells another's VM from one that is not there";
  EXPECT_EQ(std::get<std::string>(client.send(get(kMicrovms)).body).find(id), std::string::npos);
  EXPECT_EQ(client.send(run(run_body("demo"))).status, 403);
  EXPECT_THAT(std::get<std::string>(world.send(get(vm_path(id))).body), HasSubstr("RUNNING"));
}

TEST_F(IdentityTest, QuotaOfOneAccountBindsItAlone) {
  TestClient client = tenant();
  world.send({"PUT", path("/quotas"), R"({"quotas":[{"name":"images","allowed":0}]})"});
  const net::Response refused = client.send(create(TestWorld::image_body("demo")));
  EXPECT_EQ(refused.status, 402);
  EXPECT_THAT(std::get<std::string>(refused.body), HasSubstr("dormouse account quota set 111111111111 images=NUMBER"));
  world.create_image("demo");
}

TEST_F(IdentityTest, ResourcesKeepAnAccount) {
  TestClient client = tenant();
  EXPECT_EQ(client.send(iam(create_role("build"))).status, 200);
  EXPECT_EQ(client.send(connect("c")).status, 202);
  check("DeleteAccount/resources", {"DELETE", path()});
}

}  // namespace
}  // namespace dormouse::api
