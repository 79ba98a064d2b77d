// Organisations and their contacts.
type Pair = readonly [string, string];

export const orgs = {
  orgs: ["Organisations", "組織・担当者"],
  orgs_lead: ["Who applies: what OV and EV applications ask for, entered once.", "申請者の情報です。OV・EV の申請で求められる項目を一度だけ登録します。"],
  orgs_search: ["Name of the organisation or a contact", "組織名・担当者名で絞り込み"],
  orgs_none: ["No organisation yet", "組織はまだ登録されていません"],
  orgs_none_text: ["Domain-validated certificates need none. Register one to put it into the subject of CSRs.", "ドメイン認証（DV）の証明書には不要です。登録すると CSR のサブジェクトに組織名を入れられます。"],
  org_add: ["Register an organisation", "組織を登録"],
  org_facts: ["Organisation", "組織情報"],
  org_name_help: ["What lists and applications call it.", "一覧や申請画面で表示される名前です。"],
  org_legal: ["Legal name", "組織名"],
  org_place: ["Place", "所在地"],
  org_shared: ["for everybody", "全グループ共通"],
  org_used: ["{0} certificates carry it", "{0} 件の証明書で使用中"],
  org_remove_what: ["Its {0} contacts are removed with it. One that certificates carry cannot be removed.", "担当者 {0} 人も削除されます。証明書で使用中の組織は削除できません。"],
  org_no: ["none (names only)", "なし（ドメイン名のみ）"],
  org_subject: ["Organisation in the subject", "サブジェクトの組織"],
  org_subject_help: ["Its name and place go into the CSR. CAs that only validate domains leave them out.", "組織名と所在地を CSR に入れます。ドメイン認証の認証局では発行時に取り除かれます。"],
  contacts: ["Contacts", "担当者"],
  contacts_none: ["Nobody is registered yet.", "担当者はまだ登録されていません。"],
  contact_add: ["Add a contact", "担当者を追加"],
  contact_name: ["Name", "氏名"],
  contact_role: ["Role", "役割"],
  contact_title: ["Job title", "役職"],
  contact_reach: ["E-mail, phone", "連絡先"],
  contact_remove_what: ["Taken out of {0}.", "{0} の担当者から外します。"],
} as const satisfies Record<string, Pair>;
