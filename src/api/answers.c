/* The components and query parameters of the API. */
#include "api/answers.h"

#define ROLES    "admin|operator|viewer"
#define BLAMES   "input|remote|network|us|unknown"
#define HEALTHS  "new|ordering|valid|expiring|expired|deploy_failed|drift|revoked|failed|clock_wrong"
#define JOBS     "ready|running|done|failed|blocked|cancelled"
#define VERSIONS "keyed|staging|current|archived|revoked|failed|refused"
#define ITEMS    "waiting|applying|applied|verified|undoing|undone|failed|skipped"

static const struct component components[] = {
    /* ---- common ---- */
    {"Message", "en:str ja:str", {"A text in both languages", "日本語と英語の文言"}},
    {"Fault",
     "code:str blame:" BLAMES " id:str message:Message field:str? remote:str? retry_at:time? "
     "while:[Message]",
     {"What went wrong, whose fault it is and when to try again",
      "エラーの内容、原因の所在、再試行の時刻"}},
    {"Error", "error:Fault", {"Every answer from 400 on", "400 以上の応答"}},
    {"Done", "", {"An empty object: it was done", "空のオブジェクト（完了）"}},
    {"Document", NULL, {"An OpenAPI document", "OpenAPI 文書"}},
    {"Named", "id:int name:str", {"A thing by its number and name", "番号と名前"}},
    /* ---- certificates ---- */
    {"Cert",
     "id:int name:str names:[str] tags:[str] ca:str? group:str? group_id:int? organisation:str? "
     "organisation_id:int? key:str outside_csr:bool health:" HEALTHS
     " not_before:time? not_after:time? issuer:str? serial:str? sha256:str? renew_at:time? "
     "targets:CertTargets job:int? created:time updated:time revision:int",
     {"A certificate as the lists show it", "証明書（一覧の項目）"}},
    {"Tags", "tags:[str]", {"Tags in use", "使われているタグ"}},
    {"SavedView",
     "id:int screen:str name:str query:str mine:bool group:str? group_id:int? created:time "
     "updated:time",
     {"The filters of a list under a name", "保存した表示（一覧の絞り込み）"}},
    {"CertTargets",
     "total:int deployed:int failed:int",
     {"At how many targets it is", "適用先の数"}},
    {"CertDetail",
     "+Cert challenge:object? policy:object? versions:[Version] orders:[Order] "
     "deployments:[CertDeployment] bindings:[Binding]",
     {"A certificate with its history", "証明書（履歴を含む）"}},
    {"Version",
     "id:int state:" VERSIONS " key:str has_key:bool serial:str? issuer:str? sha256:str? "
     "spki_sha256:str? not_before:time? not_after:time? created:time activated:time? "
     "refused:Fault?",
     {"One version of a certificate", "証明書の版"}},
    {"CertDeployment",
     "id:int version:int state:running|done|failed|undone reason:str? created:time",
     {"A deployment as its certificate shows it", "証明書ごとの適用履歴"}},
    {"CertCreated",
     "cert:Cert job?:Job",
     {"The new certificate and the job that applies for it", "登録した証明書と申請のジョブ"}},
    {"CertBatch",
     "items:[CertCreated]",
     {"The new certificates in the order of the lines", "登録した証明書（行の順）"}},
    {"CertImported",
     "cert:Cert format:str weak_container:bool unusual:[str] key:bool",
     {"What was imported", "取り込みの結果"}},
    {"CertChecked",
     "name:str names:[str] existing:[CertTwin]",
     {"What the application would be", "申請内容の確認結果"}},
    {"CertTwin",
     "name:str cert:int cert_name:str",
     {"A certificate that holds the name already", "同じドメイン名を持つ証明書"}},
    {"PreflightStarted", "id:int", {"The pre-flight that was begun", "開始した事前確認"}},
    {"Preflight",
     "id:int state:" JOBS " error:Fault? names:[PreflightName]",
     {"What the CA would find, name by name", "認証局が確認する内容（ドメイン名ごと）"}},
    {"PreflightName",
     "name:str done:bool findings:[Finding]",
     {"What was found of a name", "ドメイン名ごとの確認結果"}},
    {"Finding",
     "id:str level:good|info|warn|bad text:Message todo:Message?",
     {"Something found, and what to do about it", "確認された事項と対処"}},
    {"CertInfo",
     "subject:str issuer:str serial:str not_before:time not_after:time key:str signature:str "
     "ca:bool self_issued:bool sha256:str names:[str]",
     {"What stands in a certificate", "証明書の記載内容"}},
    {"CertChain",
     "version:int items:[CertInfo]",
     {"The chain of a version, leaf first", "証明書チェーン（末端から順に）"}},
    {"CertInspected",
     "chain:[CertInfo] servers:[str] unrelated:int key:bool intermediates:bool format:str "
     "weak_container:bool unusual:[str] known:int?",
     {"What a file holds", "ファイルの内容"}},
    {"CertCsr", "cert:int version:int csr:str", {"The newest CSR as PEM", "最新の CSR（PEM）"}},
    /* ---- orders, jobs, deployments ---- */
    {"Order",
     "id:int cert:int cert_name:str? version:int ca:int job:int state:open|done|failed|cancelled "
     "reason:str? error:Fault? created:time updated:time",
     {"An application at a CA", "申請"}},
    {"Job",
     "id:int kind:str subject:str subject_name:str? step:str state:" JOBS " activity:Message? "
     "attempts:int run_at:time? error:Fault? progress:any created:time updated:time "
     "finished:time?",
     {"Work that goes on by itself", "ジョブ"}},
    {"JobStarted", "job:Job", {"The job that does it", "開始したジョブ"}},
    {"Binding",
     "id:int cert:int cert_name:str? target:str? target_id:int place:object? seq:int "
     "version:int? state:str error:Fault? created:time updated:time revision:int",
     {"A certificate bound to a place at a target", "適用設定"}},
    {"Deployment",
     "id:int cert:int cert_name:str? version:int previous:int job:int "
     "state:running|done|failed|undone reason:str? created:time updated:time",
     {"One round of putting a version in service", "適用"}},
    {"DeploymentDetail",
     "+Deployment items:[DeployItem]",
     {"A deployment, target by target", "適用（適用先ごとの内容）"}},
    {"DeployItem",
     "id:int binding:int target:str? state:" ITEMS " plan:Plan? error:Fault? updated:time",
     {"A deployment at one target", "適用先ごとの適用"}},
    {"Plan",
     "unchanged:bool verified_by_handshake?:bool lines:[PlanLine]",
     {"What would be changed", "適用計画"}},
    {"PlanLine",
     "what:Message object:str? before:str? after:str?",
     {"One change of a plan", "計画の変更点"}},
    {"Notice",
     "id:int event:str subject:str? subject_name:str? group:str? group_id:int? data:any "
     "created:time",
     {"What people were told", "通知"}},
    {"NotifyPreview",
     "since:time count:int more:bool channels:[str] recipients:[str] items:[NotifyPreviewItem]",
     {"What notification settings would have sent", "通知のプレビュー"}},
    {"NotifyPreviewItem",
     "at:time event:str subject:str? subject_name:str? days:int? not_after:time?",
     {"A message that would have been sent", "送られるはずの通知"}},
    {"Delivery",
     "id:int notice:int event:str? subject:str? subject_name:str? notifier:int lang:str? "
     "state:str reply:str? error:Fault? attempts:int created:time updated:time",
     {"A message and its fate", "通知の送信"}},
    /* ---- watching ---- */
    {"Endpoint",
     "id:int host:str port:int sni:str? starttls:str? cert:int? cert_name:str? group:str? "
     "group_id:int? every:int next_at:time? state:str seen:Seen? seen_at:time? created:time "
     "updated:time revision:int",
     {"What is watched", "監視対象"}},
    {"Seen", "addresses:[SeenAddress] error:Fault?", {"What was seen last", "直近の検出結果"}},
    {"SeenAddress",
     "addr:str state:str sha256:str? subject:str? issuer:str? serial:str? protocol:str? "
     "not_after:time? trusted:bool unusual?:[str]",
     {"What one address showed", "アドレスごとの検出結果"}},
    {"Observation",
     "id:int addr:str? at:time? sha256:str? subject:str? issuer:str? protocol:str? not_after:time? "
     "trusted:bool error:Fault?",
     {"What was seen at an endpoint at one time", "検出結果"}},
    /* ---- connectors ---- */
    {"Connector",
     "id:int name:str type:str group:str? group_id:int? settings:object? state:ConnectorState "
     "created:time updated:time revision:int",
     {"A CA account, target, notifier or place of backups; secrets are masked",
      "認証局設定、適用先、通知先、バックアップ先（秘密情報は伏せて返す）"}},
    {"ConnectorState",
     "ready:bool account?:str kid?:str status?:str terms?:str root_sha256?:str root_pem?:str "
     "last_at?:str last_file?:str next_at?:str files?:[BackupFile]",
     {"The public part of a connector's own state", "接続先の状態（公開できる項目）"}},
    {"BackupFile",
     "name:str bytes:int created:time?",
     {"A backup that is kept", "保存中のバックアップ"}},
    {"ConnectorType",
     "id:str name:str about:str? fields?:[Field] place_fields?:[Field]",
     {"A type of connector with its settings, in one language", "接続先の種類と設定項目"}},
    {"Field",
     "name:str type:str required:bool advanced:bool immutable:bool multiline:bool http:bool "
     "default:any min:int? max:int? choices:[FieldChoice]? ref_kind:str? only_if:FieldCondition? "
     "label:str help:str? example:str?",
     {"A setting as a form shows it", "設定項目"}},
    {"FieldChoice", "value:str label:str", {"A choice of a setting", "選択肢"}},
    {"FieldCondition",
     "field:str values:[str]",
     {"The setting exists only if another has one of these values", "項目が有効になる条件"}},
    /* ---- people ---- */
    {"Session",
     "user:SessionUser csrf:str? must_change:bool expires:time? proven:time?",
     {"Who is signed in; csrf goes into the header X-Inro-CSRF",
      "サインイン中の利用者（csrf は X-Inro-CSRF ヘッダーに入れる）"}},
    {"SessionUser",
     "id:int? login:str name:str role:" ROLES " lang:str totp:bool groups:[Named]",
     {"The person of a session", "サインイン中の利用者"}},
    {"SessionItem",
     "id:str user:str user_id:int address:str? agent:str? created:time last_seen:time? "
     "expires:time? current:bool",
     {"A session", "セッション"}},
    {"User",
     "id:int login:str name:str? role:" ROLES " lang:str? groups:[str] must_change:bool "
     "disabled:bool totp:bool signed_in:time? created:time updated:time revision:int",
     {"A user", "利用者"}},
    {"Group",
     "id:int name:str about:str? notify:object? members:[GroupMember] created:time updated:time "
     "revision:int",
     {"A group of users that owns certificates, targets and endpoints", "ユーザーグループ"}},
    {"Organisation",
     "id:int name:str group:str? group_id:int? details:OrganisationDetails contacts:[Contact] "
     "certs:int created:time updated:time revision:int",
     {"An organisation that applies for certificates", "申請する組織"}},
    {"Contact", "id:int details:ContactDetails", {"A person of an organisation", "組織の担当者"}},
    {"OrganisationDetails",
     "legal_name:str legal_name_ja?:str duns?:str registration?:str category?:str country:str "
     "state?:str state_ja?:str locality?:str locality_ja?:str street?:str street_ja?:str "
     "postal_code?:str phone?:str",
     {"What OV and EV applications ask of an organisation", "OV・EV 申請で求められる組織情報"}},
    {"ContactDetails",
     "role:str name:str name_ja?:str title?:str title_ja?:str mail?:str phone?:str",
     {"What applications ask of a person", "申請で求められる担当者の情報"}},
    {"GroupMember",
     "id:int login:str name:str? role:" ROLES " disabled:bool",
     {"A user of a group", "グループの利用者"}},
    {"Token",
     "id:int name:str user:str? user_id:int role:" ROLES " groups:[str] created:time "
     "expires:time? last_used:time? last_address:str?",
     {"An API token", "API トークン"}},
    {"TokenCreated",
     "+Token token:str",
     {"A new API token; its text is shown this once", "作成した API トークン（一度だけ表示）"}},
    {"TotpBegin",
     "secret:str uri:str",
     {"The secret of a second factor that is not on yet", "有効化前の二要素認証の秘密"}},
    {"TotpState", "totp:bool", {"Is the second factor on?", "二要素認証の状態"}},
    {"TotpConfirmed",
     "totp:bool recovery_codes:[str]",
     {"The second factor is on", "二要素認証の有効化"}},
    {"RecoveryCodes", "recovery_codes:[str]", {"New recovery codes", "リカバリーコード"}},
    /* ---- the installation ---- */
    {"Health", "status:ok|sealed version:str", {"Is it up?", "稼働状態"}},
    {"System",
     "version:str uptime:int clock:time store:SystemStore installation:str? generation:str "
     "hold:str? listen:str? http01:str? roles:[SystemRole]",
     {"About this installation", "システム情報"}},
    {"SystemStore", "kind:sqlite|postgresql path:str? schema:str?", {"The store", "保存先"}},
    {"SystemRole", "name:str pid:int restarts:int", {"A process", "プロセス"}},
    {"Summary",
     "now:time health:counts weeks:[SummaryWeek] renewals:[SummaryDay] jobs:[SummaryJobs] "
     "endpoints:counts connectors:counts deliveries:counts",
     {"Counts for the first page", "ダッシュボードの集計"}},
    {"SummaryWeek",
     "week:int health:" HEALTHS " count:int",
     {"Certificates that end in the week of this number, from now", "期限の週ごとの件数"}},
    {"SummaryDay", "day:int count:int", {"Renewals due in so many days", "更新予定日ごとの件数"}},
    {"SummaryJobs",
     "state:" JOBS " kind:str count:int",
     {"Jobs by state and kind", "状態と種類ごとのジョブ数"}},
    {"Engine",
     "now:time tick_at:time? queue:EngineQueue look_next:time? renewal_next:time? "
     "backup_places:int backup_at:time? problems:[EngineProblem]",
     {"Whether Inro itself works", "Inro 自体の稼働状況"}},
    {"EngineQueue",
     "due:int oldest:time? running:int waiting:int blocked:int",
     {"Open work of the whole installation", "未完了の処理の件数"}},
    {"EngineProblem",
     "id:str message:Message since:time?",
     {"What is wrong with Inro itself", "Inro 自体の問題"}},
    {"KeyState",
     "sealed:bool passphrase:bool key_id:str? keys:int reason:Fault?",
     {"The master key", "マスター鍵の状態"}},
    {"Confirmed", "was:str?", {"The hold that was ended", "解除した保留"}},
    {"Syslog",
     "on:bool settings:object? sent:int behind:int error:Fault?",
     {"Where the audit log is forwarded", "監査ログの転送"}},
    {"LogLevels", "levels:texts", {"Log levels by room", "ログレベル"}},
    {"Audit",
     "id:int at:time actor:str? origin:str? action:str subject:str? subject_name:str? detail:any "
     "result:str hash:str",
     {"A record of the audit log", "監査ログの記録"}},
    {"AuditProof", "whole:bool records:int", {"The audit log is whole", "監査ログの検証結果"}},
    /* ---- licence ---- */
    {"Licence",
     "state:none|valid|ending|ended plan:str plan_label:Message certificates:LicenceCount "
     "targets:LicenceCount days_left:int? warning:int clock_back:bool installation:str? "
     "installed:bool serial?:int licensee?:str service_code?:str? begins?:time? ends?:time? "
     "last_day?:day? issued?:time? key_id?:str imported?:time? fault:Fault? "
     "vendor_keys:[LicenceKey]",
     {"What the licence covers and what is used", "ライセンスの内容と利用数"}},
    {"LicenceCount", "used:int limit:int", {"Used, and at most", "利用数と上限"}},
    {"LicenceKey",
     "key_id:str fingerprint:str? revoked:bool",
     {"A vendor's key that is trusted", "発行元の鍵"}},
    /* ---- the vendor's desk ---- */
    {"Desk",
     "open:bool name:str? url:str? key_id:str? public_key:str? today:day renewal_offered:bool",
     {"The vendor's desk", "ベンダー機能の状態"}},
    {"DeskKey",
     "id:int key_id:str fingerprint:str state:next|current|old|retired|revoked public_key:str "
     "licences:int created:time changed:time?",
     {"A key that signs licences", "ライセンス署名鍵"}},
    {"DeskCustomer",
     "id:int service_code:str name:str mail:str lang:str installation:str? state:str ends_on:day? "
     "created:time updated:time revision:int",
     {"A customer", "顧客"}},
    {"DeskOrder",
     "id:int customer:int kind:str basics:int servers:int ordered_on:day accept_on:day? "
     "share_due:day? share_overdue:bool starts_on:day? begins_on:day? ends_on:day? "
     "accepted:time? state:str licence:int created:time",
     {"An order", "注文"}},
    {"DeskLicence",
     "id:int serial:int customer:int order:int plan:str certificates:int targets:int "
     "begins_on:day ends_on:day installation:str? key_id:str file_name:str created:time",
     {"A licence that was issued", "発行済みライセンス"}},
    {"DeskLicenceFile",
     "+DeskLicence file:str",
     {"A licence with its file", "ライセンスとファイル"}},
    {"DeskIssued",
     "licence:DeskLicenceFile mailed:bool",
     {"The licence issued, and whether a mail goes out", "発行の結果"}},
    {"DeskShare",
     "id:int customer:int expires:time expired:bool created:time hits:int last_hit:time?",
     {"A share link", "共有リンク"}},
    {"DeskShareLink",
     "+DeskShare path:str link:str?",
     {"A new share link, shown this once", "作成した共有リンク（一度だけ表示）"}},
    {"DeskFee", "item:str from:str yen:int", {"A fee from a month on", "料金"}},
    {"DeskStatement",
     "month:str items:[DeskCharge] total:int",
     {"What is charged in a month", "月次の請求明細"}},
    {"DeskCharge",
     "service_code:str name:str item:str count:int yen:int amount:int",
     {"A line of a statement", "請求明細の行"}},
    {"DeskEntry",
     "id:int at:time actor:str? event:str customer:int order:int detail:any hash:str",
     {"An entry of the ledger", "台帳の記録"}},
    {"DeskProof", "whole:bool entries:int", {"The ledger is whole", "台帳の検証結果"}},
    {"DeskRenewals",
     "items:[DeskRenewal] more:bool",
     {"Licences renewed; call again while there are more", "更新の結果"}},
    {"DeskRenewal",
     "customer:int name:str order:int file_name:str ends_on:day mailed:bool",
     {"One customer's renewal", "顧客ごとの更新"}},
    {"DeskCancelled",
     "customer:int name:str accepted_on:day ends_on:day mailed:bool",
     {"A cancellation accepted", "解約の受付"}},
};

static const struct param params[] = {
    {"actions",
     "str",
     0,
     0,
     NULL,
     {"Actions found by q as well, with commas between",
      "q に加えて該当とする操作（コンマ区切り）"}},
    {"after", "int", 0, INT64_MAX, NULL, {"next of the page before", "前のページの next"}},
    {"after@cursor", "str", 0, 0, NULL, {"next of the page before", "前のページの next"}},
    {"after@export",
     "int",
     0,
     INT64_MAX,
     NULL,
     {"Number of the last record that is had already", "取得済みの最後の記録番号"}},
    {"before",
     "int",
     0,
     INT64_MAX,
     NULL,
     {"next of the page before; newest first", "前のページの next（新しい順）"}},
    {"ca", "str", 0, 0, NULL, {"Name or number of a CA account", "認証局設定の名前か番号"}},
    {"cert", "str", 0, 0, NULL, {"Name or number of a certificate", "証明書の名前か番号"}},
    {"customer",
     "str",
     0,
     0,
     NULL,
     {"Number, service code or name of a customer", "顧客の番号、サービスコード、名前のいずれか"}},
    {"end_before",
     "int",
     0,
     INT32_MAX,
     NULL,
     {"Ends before so many seconds since 1970", "期限がこの時刻（1970年からの秒数）より前"}},
    {"end_from",
     "int",
     0,
     INT32_MAX,
     NULL,
     {"Ends at or after so many seconds since 1970", "期限がこの時刻（1970年からの秒数）以降"}},
    {"format@audit", "jsonl|csv", 0, 0, "jsonl", {"Format", "形式"}},
    {"format@cert", "pem|der|pkcs7", 0, 0, "pem", {"Format", "形式"}},
    {"format@desk", "json|csv", 0, 0, "json", {"Format", "形式"}},
    {"from", "time", 0, 0, NULL, {"From this time on", "この時刻以降"}},
    {"kind@job", "str", 0, 0, NULL, {"Kind of job", "ジョブの種類"}},
    {"lang",
     "ja|en",
     0,
     0,
     NULL,
     {"Language; else Accept-Language", "言語（省略時は Accept-Language）"}},
    {"limit", "int", 1, 500, "50", {"At most so many", "最大件数"}},
    {"open", "str", 0, 0, NULL, {"1: only what has not ended", "1: 完了していないものだけ"}},
    {"organisation", "str", 0, 0, NULL, {"Name or number of an organisation", "組織の名前か番号"}},
    {"q", "str", 0, 0, NULL, {"Search text", "検索文字列"}},
    {"q@cert",
     "str",
     0,
     0,
     NULL,
     {"Words that must all be found, at the start of a word of a name or tag, or of a serial "
      "number "
      "or fingerprint; *text: anywhere inside names; #text: tags that begin so",
      "検索語。管理名・ドメイン名・タグの語頭、シリアル番号・フィンガープリントの先頭と照合し、"
      "すべての語を含むものを返す。*文字列 は名前の途中、#文字列 はタグの先頭を検索"}},
    {"screen", "certs", 0, 0, NULL, {"Of this screen", "画面"}},
    {"sort@cert",
     "name|-name|expires|-expires|renewal|-renewal|created|-created",
     0,
     0,
     "created",
     {"Order; with - downwards", "並び順（- は降順）"}},
    {"state@cert",
     "str",
     0,
     0,
     NULL,
     {"States with commas between; attention: all that need a person",
      "状態（コンマ区切り）。attention は対応が必要なもの"}},
    {"state@endpoint", "str", 0, 0, NULL, {"State", "状態"}},
    {"state@job", JOBS, 0, 0, NULL, {"State", "状態"}},
    {"subject", "str", 0, 0, NULL, {"What it is about: cert/12", "対象（例: cert/12）"}},
    {"tag",
     "str",
     0,
     0,
     NULL,
     {"Tags it has, with commas between", "付いているタグ（コンマ区切り）"}},
    {"target", "str", 0, 0, NULL, {"Name or number of a target", "適用先の名前か番号"}},
    {"to", "time", 0, 0, NULL, {"Before this time", "この時刻より前"}},
    {"version",
     "int",
     1,
     INT64_MAX,
     NULL,
     {"Number of a version; else the one in service", "版の番号（省略時は使用中の版）"}},
    {"work", "str", 0, 0, NULL, {"1: without routine work", "1: 定期的な処理を除く"}},
    {"wait", "int", 0, 30, "0", {"Seconds to wait for news", "変化を待つ秒数"}},
};

const struct component *component_at(size_t i)
{
    return i < COUNT_OF(components) ? &components[i] : NULL;
}

const struct component *component_find(struct str name)
{
    for (size_t i = 0; i < COUNT_OF(components); i++)
        if (str_eqs(name, components[i].name))
            return &components[i];
    return NULL;
}

const struct param *param_find(struct str id)
{
    for (size_t i = 0; i < COUNT_OF(params); i++)
        if (str_eqs(id, params[i].id))
            return &params[i];
    return NULL;
}
