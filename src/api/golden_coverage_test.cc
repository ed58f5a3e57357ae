// SPDX-License-Identifier: Apache-2.0
//
// Whether the recorded exchanges are complete: every operation's success, every error that it declares and none that it does
// not (of a form: those listed here), the violation of each kind of constraint that its input has, and every row of the table
// of texts in specification section 1.7.

#include <map>
#include <set>

#include <gmock/gmock.h>

#include "api/golden.h"
#include "api/operations.h"

namespace dormouse::api {
namespace {

using testing::HasSubstr;

struct Answer {
  int status = 0;
  std::string error;  // of x-amzn-errortype, or the <Code> of a form's answer; empty: success
  std::string body;
};

// By operation and case.
using Recorded = std::map<std::string, std::map<std::string, Answer>>;

Answer parsed(const std::string& text) {
  Answer answer;
  answer.status = std::stoi(text);
  std::smatch error;
  if (std::regex_search(text, error, std::regex("x-amzn-errortype: (\\S+)|<Code>(.*)</Code>"))) {
    answer.error = error[error[1].matched ? 1 : 2].str();
  }
  answer.body = text.substr(text.find("\n\n") + 2);
  return answer;
}

const Recorded& recorded() {
  static const Recorded all = [] {
    Recorded found;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(DM_GOLDEN_DIRECTORY)) {
      if (entry.path().extension() == ".response") {
        found[entry.path().parent_path().filename()][entry.path().stem()] = parsed(content(entry.path()));
      }
    }
    return found;
  }();
  return all;
}

std::vector<const Operation*> operations_and_forms() {
  std::vector<const Operation*> all(all_operations().begin(), all_operations().end());
  all.insert(all.end(), query_operations().begin(), query_operations().end());
  return all;
}

const std::map<std::string, Answer>& cases(std::string_view operation) {
  static const std::map<std::string, Answer> none;
  const auto found = recorded().find(std::string(operation));
  return found == recorded().end() ? none : found->second;
}

std::set<std::string> errors_recorded(std::string_view operation) {
  std::set<std::string> errors;
  for (const auto& [name, answer] : cases(operation)) {
    errors.insert(answer.error);
  }
  errors.erase("");
  return errors;
}

// Declared by the service's models, but nothing here brings them about.
bool cannot_happen(const Operation& operation, std::string_view error) {
  const std::string_view name = operation.name;
  if (operation.protocol->errors == ErrorDialect::kTags) {
    // What the four common errors are for there has names of its own.
    return error == "InternalServerException" || error == "ThrottlingException" ||
           (error == "ResourceConflictException") ||
           // An ARN that is none breaks the model; keys that are absent are no error.
           (error == "InvalidParameterValueException" && name != "TagResource");
  }
  if (operation.protocol->errors == ErrorDialect::kCore) {
    return error == "NetworkConnectorLimitExceededException" ||  // there is no limit
           (error == "InvalidParameterValueException" &&
            (name == "GetNetworkConnector" || name == "DeleteNetworkConnector"));
  }
  if (name.find("Account") != std::string_view::npos) {
    static const std::set<std::string_view> kNeverInvalid = {
        "DescribeAccount", "DeleteAccount", "CreateAccountKey", "ListAccountKeys"};  // what is no number is not there
    return (error == "ValidationException" && kNeverInvalid.contains(name)) ||
           (error == "ServiceQuotaExceededException" && name == "CreateAccount");  // thousands of accounts
  }
  if (error == "AccessDeniedException") {  // no policy is evaluated; images of others alone are refused so
    return operation.name.find("ImageVersion") == std::string_view::npos && cases(name).count("other_account") == 0;
  }
  if (error == "InternalServerException") {
    return name.starts_with("ListManaged") || name == "ListCheckpoints" || name == "GetCheckpoint" ||
           name == "DeleteCheckpoint" || name == "ListTraces";  // they have no records
  }
  if (error == "ConflictException") {  // of these the service's texts are ValidationException; the first is idempotent
    static const std::set<std::string_view> kNever = {"DeleteMicrovmImage",
                                                      "SuspendMicrovm",
                                                      "ResumeMicrovm",
                                                      "TerminateMicrovm",
                                                      "CreateMicrovmAuthToken",
                                                      "CreateMicrovmShellAuthToken"};
    return kNever.contains(name);
  }
  return error == "ResourceNotFoundException" && name == "ListMicrovms";  // a filter that fits nothing finds nothing
}

// What every operation may answer, and none declares.
bool is_protocol_error(const std::string& error) {
  static const std::set<std::string_view> kErrors = {"IncompleteSignatureException",
                                                     "InvalidSignatureException",
                                                     "MissingAuthenticationTokenException",
                                                     "RequestEntityTooLargeException",
                                                     "SerializationException",
                                                     "ServiceNotServed",
                                                     "UnknownOperationException",
                                                     "UnrecognizedClientException"};
  return kErrors.contains(error);
}

TEST(GoldenCoverageTest, EveryOperationSucceeds) {
  for (const Operation* operation : operations_and_forms()) {
    bool succeeds = false;
    for (const auto& [name, answer] : cases(operation->name)) {
      succeeds = succeeds || answer.status == operation->status;
      EXPECT_TRUE(answer.status == operation->status || answer.status >= 400) << operation->name << '/' << name;
    }
    EXPECT_TRUE(succeeds) << operation->name << " has no recorded success";
  }
}

TEST(GoldenCoverageTest, EveryDeclaredErrorIsRecordedAndNoOther) {
  for (const Operation* operation : all_operations()) {
    const std::set<std::string> found = errors_recorded(operation->name);
    for (const std::string_view error : operation->errors) {
      EXPECT_TRUE(found.contains(std::string(error)) || cannot_happen(*operation, error))
          << operation->name << " has no recorded " << error;
      EXPECT_FALSE(found.contains(std::string(error)) && cannot_happen(*operation, error))
          << operation->name << " has a recorded " << error << " after all";
    }
    for (const std::string& error : found) {
      EXPECT_TRUE(is_protocol_error(error) ||
                  std::find(operation->errors.begin(), operation->errors.end(), error) != operation->errors.end())
          << operation->name << " answers " << error << ", which it does not declare";
    }
  }
}

// Errors of forms, which no table of the operations has: what the services' API references list and is brought about here.
// Besides, every form may come too fast, one with a number may have another word there, and all but GetCallerIdentity may
// break the model or meet records that cannot be read.
const std::map<std::string_view, std::set<std::string>>& errors_of_forms() {
  static const std::map<std::string_view, std::set<std::string>> errors = {
      {"CreateRole", {"EntityAlreadyExists", "LimitExceeded", "MalformedPolicyDocument"}},
      {"GetRole", {"NoSuchEntity"}},
      {"ListRoles", {}},
      {"DeleteRole", {"NoSuchEntity", "DeleteConflict"}},
      {"PutRolePolicy", {"NoSuchEntity", "LimitExceeded", "MalformedPolicyDocument"}},
      {"GetRolePolicy", {"NoSuchEntity"}},
      {"DeleteRolePolicy", {"NoSuchEntity"}},
      {"ListRolePolicies", {"NoSuchEntity"}},
      {"AttachRolePolicy", {"NoSuchEntity", "LimitExceeded"}},
      {"DetachRolePolicy", {"NoSuchEntity"}},
      {"ListAttachedRolePolicies", {"NoSuchEntity"}},
      {"AssumeRole", {"AccessDenied"}},
      // Of the protocol and of signatures: they are the same for every form, and recorded with this one.
      {"GetCallerIdentity", {"ExpiredToken", "InvalidAction", "InvalidClientTokenId", "MalformedQueryString"}},
  };
  return errors;
}

TEST(GoldenCoverageTest, EveryErrorOfAFormIsRecordedAndNoOther) {
  for (const Operation* operation : query_operations()) {
    ASSERT_TRUE(errors_of_forms().contains(operation->name)) << operation->name;
    std::set<std::string> wanted = errors_of_forms().at(operation->name);
    wanted.insert("Throttling");
    if (operation->name != "GetCallerIdentity") {
      wanted.insert({"ValidationError", "ServiceFailure"});
    }
    const bool has_number = std::ranges::any_of(
        operation->input->members, [](const Member& member) { return member.shape->type == Type::kInteger; });
    if (has_number) {
      wanted.insert("MalformedInput");
    }
    EXPECT_EQ(errors_recorded(operation->name), wanted) << operation->name;
  }
}

// The kinds of violations that the top members of an input can bring about. The rest is schema_test.cc's.
std::set<std::string> violations_of(const Operation& operation) {
  std::set<std::string> sentences;
  for (const Member& member : operation.input->members) {
    const bool label = member.location == Location::kLabel;
    if (member.presence == Presence::kRequired && !label) {
      sentences.insert("Member must not be null");
    }
    if (!member.shape->pattern.empty()) {
      sentences.insert("Member must satisfy regular expression pattern: ");
    }
    if (!member.shape->values.empty()) {
      sentences.insert("Member must satisfy enum value set: ");
    }
    const bool number = member.shape->type == Type::kInteger || member.shape->type == Type::kLong;
    if (number && member.shape->minimum != kNoMinimum) {
      sentences.insert("Member must have value greater than or equal to ");
    }
    if (number && member.shape->maximum != kNoMaximum) {
      sentences.insert("Member must have value less than or equal to ");
    }
    if (!number && member.shape->maximum != kNoMaximum) {
      sentences.insert("Member must have length less than or equal to ");
    }
    if (member.shape->type == Type::kUnion) {
      sentences.insert("Member must have exactly one of these members set: ");
    }
  }
  return sentences;
}

TEST(GoldenCoverageTest, EveryKindOfViolationIsRecorded) {
  for (const Operation* operation : operations_and_forms()) {
    for (const std::string& sentence : violations_of(*operation)) {
      bool found = false;
      for (const auto& [name, answer] : cases(operation->name)) {
        found = found || answer.body.find(sentence) != std::string::npos;
      }
      EXPECT_TRUE(found) << operation->name << " has no recorded '" << sentence << "...'";
    }
  }
}

// --- specification section 1.7, row by row ---

struct Row {
  const char* operation;
  const char* name;
  int status;
  const char* error;
  std::string text;  // in the body
};

const std::string kDemo = "arn:aws:lambda:us-east-1:<account>:microvm-image:demo";
const std::string kAbsent = "arn:aws:lambda:us-east-1:<account>:microvm-image:absent";
const std::string kBase = "arn:aws:lambda:us-east-1:aws:microvm-image:al2023-1";
constexpr const char* kInvalid = "ValidationException";
constexpr const char* kNotFound = "ResourceNotFoundException";
constexpr const char* kQuota = "ServiceQuotaExceededException";

const std::vector<Row>& rows() {
  const std::string null = "failed to satisfy constraint: Member must not be null";
  const std::string running = "Cannot delete microvm image with running microvms.";
  const std::string ended = "The MicroVM microvm-<uuid> has been terminated and its state cannot be changed.";
  const std::string nothing = "No active version found for MicroVM image ";
  static const std::vector<Row> all = {
      {"CreateMicrovmImage",
       "missing_members",
       400,
       kInvalid,
       "\"3 validation errors detected: Value null at 'baseImageArn' " + null + "; Value null at 'codeArtifact' " +
           null + "; Value null at 'buildRoleArn' " + null + "\""},
      {"CreateMicrovmImage",
       "bad_name",
       400,
       kInvalid,
       "\"1 validation error detected: Value 'bad name!' at 'name' failed to satisfy constraint: Member must satisfy "
       "regular expression pattern: [a-zA-Z0-9-_]+\""},
      {"RunMicrovm",
       "payload_too_long",
       400,
       kInvalid,
       "\"1 validation error detected: Value at 'runHookPayload' failed to satisfy constraint: Member must have length "
       "less "
       "than or equal to 4096\""},
      {"RunMicrovm",
       "payload_without_hook",
       400,
       kInvalid,
       "\"The run hook must be enabled in the MicroVM image to pass the run hook payload\""},
      {"CreateMicrovmImage",
       "lifecycle_hook_without_ready",
       400,
       kInvalid,
       "\"The ready (/ready) MicroVM image hook must be enabled when any MicroVM lifecycle hook"},
      {"CreateMicrovmImage",
       "unsupported_memory",
       400,
       kInvalid,
       "\"The requested memory size of 513 MiB is not supported by base MicroVM image " + kBase +
           ". Supported memory sizes in MiB are: [512, 1024, 2048, 4096, 8192].\""},
      {"CreateMicrovmImage",
       "unknown_base_version",
       400,
       kInvalid,
       "\"No managed MicroVM Image with arn " + kBase + " and version 999 is available\""},
      {"CreateMicrovmImage",
       "artifact_not_s3",
       400,
       kInvalid,
       "\"CodeArtifact URI must be a valid S3 URI in the format: s3://<bucket>/<key>\""},
      {"CreateMicrovmImage",
       "duplicate_name",
       400,
       kInvalid,
       "\"A MicroVM image with the name 'demo' already exists in this account\""},
      {"GetMicrovmImage", "missing", 404, kNotFound, "\"MicroVMImage not found for MicroVMImageID: " + kAbsent + "\""},
      {"GetMicrovmImageVersion",
       "missing",
       404,
       kNotFound,
       "\"MicroVMImage not found for MicroVMImage: " + kDemo + ", Version: 2.0\""},
      {"GetMicrovm", "missing", 404, kNotFound, "\"MicroVM not found: microvm-<uuid>\""},
      {"RunMicrovm", "missing_image", 404, kNotFound, "\"" + nothing + kAbsent + "\""},
      {"RunMicrovm", "nothing_active", 404, kNotFound, "\"" + nothing + kDemo + "\""},
      {"RunMicrovm", "inactive_pinned", 404, kNotFound, "\"" + nothing + kDemo + " and version 1.0\""},
      {"DeleteMicrovmImage", "running_microvms", 400, kInvalid, "\"" + running + "\""},
      {"DeleteMicrovmImage", "with_vm_in_SUSPENDED", 400, kInvalid, "\"" + running + "\""},
      {"DeleteMicrovmImage", "with_vm_in_TERMINATING", 400, kInvalid, "\"" + running + "\""},
      {"DeleteMicrovmImage",
       "in_CREATING",
       400,
       kInvalid,
       "\"Cannot delete MicroVM image in its current state: " + kDemo + "\""},
      {"DeleteMicrovmImage",
       "in_DELETING",
       400,
       kInvalid,
       "\"Cannot delete MicroVM image in its current state: " + kDemo + "\""},
      {"DeleteMicrovmImageVersion",
       "last_version",
       400,
       kInvalid,
       "\"This is the last version. Please delete the entire image\""},
      {"UpdateMicrovmImage", "updating", 409, "ConflictException", "\"MicroVM Image is already in state: UPDATING\""},
      {"UpdateMicrovmImageVersion",
       "updating",
       409,
       "ConflictException",
       "\"MicroVM Image is already in state: UPDATING\""},
      {"SuspendMicrovm", "in_TERMINATED", 400, kInvalid, "\"" + ended + "\""},
      {"ResumeMicrovm", "in_TERMINATED", 400, kInvalid, "\"" + ended + "\""},
      {"TerminateMicrovm", "in_TERMINATED", 200, "", "{}"},
      {"CreateMicrovmShellAuthToken",
       "no_shell_ingress",
       400,
       kInvalid,
       "\"Shell access requires SHELL_INGRESS network connector to be configured on the MicroVM.\""},
      {"CreateMicrovmShellAuthToken",
       "all_and_shell_ingress",
       400,
       kInvalid,
       "\"ALL_INGRESS cannot be combined with other ingress network connectors; use HTTP_INGRESS and/or SHELL_INGRESS "
       "instead\""},
      {"RunMicrovm", "malformed_connector", 400, kInvalid, "\"Malformed network connector ARN\""},
      {"RunMicrovm", "unknown_connector", 400, kInvalid, "\"Unrecognized managed network connector ARN: "},
      {"RunMicrovm",
       "memory_quota",
       402,
       kQuota,
       "\"The base maximum allocated memory limit has been reached for this account."},
      {"CreateMicrovmImage", "build_quota", 402, kQuota, "maximum number of concurrent builds"},
      {"ListMicrovmImages", "raw_equals_in_token", 400, kInvalid, "{\"message\":null}"},
      // Sections 1.2, 1.5, 1.6 and 1.9.
      {"CreateMicrovmAuthToken", "all_ports_true", 400, "SerializationException", "{\"Message\":\"Expected null\"}"},
      {"CreateMicrovmAuthToken", "too_long", 400, kInvalid, "\"ExpirationMinutes 61 exceeded max allowed of 60.\""},
      {"GetMicrovmImage", "bare_name", 400, kInvalid, "\"Invalid ARN format: demo\""},
      {"RunMicrovm", "bare_name", 400, kInvalid, "\"Malformed ARN - doesn't start with 'arn:'\""},
      {"GetMicrovmImage", "slash_in_arn", 403, "AccessDeniedException", "microvm-image/demo"},
      {"CreateNetworkConnector",
       "no_token",
       400,
       "InvalidParameterValueException",
       "{\"Type\":\"User\",\"message\":\"ClientToken is a required field\"}"},
      {"CreateNetworkConnector",
       "no_role",
       400,
       "InvalidParameterValueException",
       "\"NetworkConnectorOperatorRole is required for VPC_EGRESS connector type\""},
      {"CreateNetworkConnector", "no_subnets", 400, kInvalid, "'configuration.vpcEgressConfiguration.subnetIds'"},
      {"GetNetworkConnector",
       "missing",
       404,
       kNotFound,
       "{\"Type\":\"User\",\"Message\":\"Network connector not found for: "
       "arn:aws:lambda:us-east-1:<account>:network-connector:nc-absent\"}"},
      {"GetNetworkConnector", "pending", 200, "", "\"StateReason\":\"Initial creation\""},
      {"UpdateNetworkConnector",
       "no_change",
       202,
       "",
       "\"LastUpdateStatus\":\"Successful\",\"LastUpdateStatusReason\":\"No configuration changes detected\""},
  };
  return all;
}

TEST(GoldenCoverageTest, EveryRowOfTheSpecificationsTextsIsRecorded) {
  for (const Row& row : rows()) {
    const auto& found = cases(row.operation);
    const auto answer = found.find(row.name);
    ASSERT_NE(answer, found.end()) << row.operation << '/' << row.name;
    EXPECT_EQ(answer->second.status, row.status) << row.operation << '/' << row.name;
    EXPECT_EQ(answer->second.error, row.error) << row.operation << '/' << row.name;
    EXPECT_THAT(answer->second.body, HasSubstr(row.text)) << row.operation << '/' << row.name;
  }
}

// Every operation on an image, a VM or a connector is recorded in every state of it.
TEST(GoldenCoverageTest, EveryStateIsRecorded) {
  const auto expect_states =
      [](std::string_view prefix, std::initializer_list<const char*> states, const std::string& name = "in_") {
        for (const Operation* operation : all_operations()) {
          for (const char* state : states) {
            const std::string label = std::string(operation->uri);
            if (operation->protocol->service == "dormouse" || label.find(prefix) == std::string::npos ||
                label.find("managed") != std::string::npos) {
              continue;
            }
            if (name == "in_" && label.find("{buildId}") != std::string::npos) {
              continue;  // a build's states are its version's
            }
            EXPECT_TRUE(cases(operation->name).contains(name + state)) << operation->name << ' ' << name << state;
          }
        }
      };
  expect_states(
      "/microvm-images",
      {"CREATING", "CREATED", "CREATE_FAILED", "UPDATING", "UPDATED", "UPDATE_FAILED", "DELETING", "DELETE_FAILED"});
  expect_states("/versions/{imageVersion}",
                {"PENDING", "IN_PROGRESS", "SUCCESSFUL", "FAILED", "DELETING", "DELETE_FAILED"},
                "version_in_");
  expect_states("/microvms/", {"PENDING", "RUNNING", "SUSPENDING", "SUSPENDED", "TERMINATING", "TERMINATED"});
  expect_states("/network-connectors", {"PENDING", "ACTIVE", "DELETING", "deleted"});
}

}  // namespace
}  // namespace dormouse::api
