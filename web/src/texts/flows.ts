// What a person does when something stopped: host keys, remedies, roll-outs that were stopped, undo.
type Pair = readonly [string, string];

export const flows = {
  fix_host_key: ["See the host key", "ホスト鍵を確認"],
  fix_target: ["Target settings", "適用先の設定を開く"],
  fix_store: ["Its settings", "保存先の設定を開く"],
  fix_ca: ["CA settings", "認証局の設定を開く"],
  fix_cert: ["Its settings", "証明書の設定を開く"],
  fix_places: ["See the bindings", "適用設定を確認"],

  host_key_changed: ["The server shows another host key", "サーバーのホスト鍵が変わっています"],
  host_key_unpinned: ["The server's host key is not registered yet", "サーバーのホスト鍵が未登録です"],
  host_key_nothing_sent: ["Nothing was sent to it: no password, no key, no certificate. Deployments to it wait.", "パスワード・秘密鍵・証明書はいずれも送信していません。このサーバーへの処理は停止しています。"],
  host_key_first: ["Nothing is sent to a server before its key is known here.", "ホスト鍵を登録するまで、このサーバーには何も送信しません。"],
  host_key_old: ["Registered here", "登録済みの鍵"],
  host_key_new: ["Shown by the server", "サーバーが提示した鍵"],
  host_key_seen: ["Seen", "確認日時"],
  host_key_pinned_since: ["Settings changed", "設定の変更日時"],
  host_key_why: ["What it can mean", "考えられる原因"],
  host_key_rebuilt: ["The server was reinstalled, moved or given new keys. Whoever runs it knows.", "サーバーの再構築・移設・鍵の再作成が行われた。サーバーの担当者に確認してください。"],
  host_key_between: ["Another machine answers under its address: a mistake in DNS or routing, or someone who listens in between. Then do not accept the key.", "別のマシンが同じアドレスで応答している（DNS や経路の誤り、または通信への割り込み）。この場合は登録しないでください。"],
  host_key_compare: ["Compare: on the server itself (its console, not through this connection) run the command; one line must show the same fingerprint.", "照合方法：サーバー本体（コンソールなど、この接続以外の経路）で次のコマンドを実行し、同じフィンガープリントの行があることを確認してください。"],
  host_key_accept: ["Accept the new key…", "新しい鍵を登録…"],
  host_key_register: ["Register this key…", "この鍵を登録…"],
  host_key_accept_ask: ["Accept this host key for {0}?", "{0} のホスト鍵としてこの鍵を登録しますか？"],
  host_key_replaces: ["It takes the place of the registered one. From then on only this key is trusted, and the login is sent to whoever holds it.", "登録済みの鍵は置き換えられます。以後はこの鍵だけを信頼し、この鍵を持つサーバーに認証情報を送信します。"],
  host_key_goes_on: ["The connection is tested at once, and what waited goes on: {0}.", "登録後すぐに接続テストを行い、停止中の処理を再開します：{0}。"],
  host_key_tests: ["The connection is tested at once.", "登録後すぐに接続テストを行います。"],
  host_key_compared: ["I compared the fingerprint on the server itself.", "サーバー本体でフィンガープリントを照合しました。"],
  host_key_admin: ["An administrator can accept the key here.", "鍵の登録は管理者が行えます。管理者に依頼してください。"],
  host_key_accepted: ["The host key is registered.", "ホスト鍵を登録しました。"],
  host_key_work: ["What waited for the key", "再開した処理"],
} as const satisfies Record<string, Pair>;
