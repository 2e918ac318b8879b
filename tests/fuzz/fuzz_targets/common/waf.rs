//! Rules of every kind for the targets that feed transactions, and how a transaction is run.

use std::sync::Arc;
use std::time::SystemTime;
use waf::{
    CompileOptions, Connection, EngineError, Intervention, Mode, RuleMatch, RuleSet, Scratch,
    Transaction,
};

/// Small limits, so that they are reached; rules of every kind that is gated, and of the kinds that are not.
pub const RULES: &str = r#"
SecRuleEngine On
SecRequestBodyAccess On
SecRequestBodyLimit 2000
SecRequestBodyLimitAction ProcessPartial
SecRequestBodyJsonDepthLimit 8
SecArgumentsLimit 20
SecAuditEngine On
SecAuditLogParts ABCFHIJKZ
SecAction "id:1,phase:1,pass,nolog,setvar:tx.level=2"
SecRule REQUEST_HEADERS:Content-Type "@contains json" "id:2,phase:1,pass,nolog,t:lowercase,ctl:requestBodyProcessor=JSON"
SecRule REQUEST_HEADERS:Content-Type "@contains plain" "id:3,phase:1,pass,nolog,t:lowercase,ctl:forceRequestBodyVariable=On"
SecRule ARGS|ARGS_NAMES|REQUEST_COOKIES|REQUEST_COOKIES_NAMES "@rx (?i)union\s+select" "id:10,phase:2,pass,log,t:urlDecodeUni,t:lowercase,setvar:tx.score=+1"
SecRule ARGS|REQUEST_BODY "@rx <script[^>]*>" "id:11,phase:2,pass,log,t:htmlEntityDecode,t:jsDecode,t:removeNulls,capture,logdata:'%{tx.0} in %{MATCHED_VAR_NAME}'"
SecRule ARGS|!ARGS:a|REQUEST_URI "@pm sleep( benchmark( /etc/passwd" "id:12,phase:2,pass,log,t:normalizePath,capture,logdata:'%{tx.0}'"
SecRule ARGS "!@rx ^[a-z0-9 =<>'\"%/.*-]*$" "id:14,phase:2,pass,log"
SecRule ARGS|FILES|FILES_NAMES|REQUEST_HEADERS "@validateByteRange 32-126" "id:15,phase:2,pass,log,t:urlDecodeUni"
SecRule ARGS|FILES "@contains ../" "id:16,phase:2,pass,log,multiMatch,t:urlDecodeUni,t:base64Decode,setvar:tx.dots=+1"
SecRule ARGS "@endsWith '" "id:17,phase:2,pass,log,chain"
  SecRule MATCHED_VAR "@rx ^'" "setvar:tx.quoted=+1"
SecRule &ARGS "@gt 3" "id:18,phase:2,pass,log"
SecRule FILES "@rx \.php\d?$" "id:19,phase:2,pass,log,t:lowercase"
SecRule MULTIPART_STRICT_ERROR "!@eq 0" "id:20,phase:2,pass,log"
SecRule REQBODY_ERROR "!@eq 0" "id:21,phase:2,pass,log,logdata:'%{REQBODY_ERROR_MSG}'"
SecRule ARGS "@rx (?=x)x|(\w)\1{3}" "id:22,phase:2,pass,log"
SecRule ARGS "@rx ^(?:[a-z]{2,4}-?){1,3}$" "id:23,phase:2,pass,log,t:length"
SecRule ARGS|REQUEST_URI_RAW "@validateUrlEncoding" "id:25,phase:2,pass,log"
SecRule ARGS "@validateUtf8Encoding" "id:26,phase:2,pass,log"
SecRule REQUEST_HEADERS:User-Agent|REQUEST_LINE|QUERY_STRING "@rx (?i)sqlmap|nikto" "id:27,phase:1,pass,log"
SecRule REQUEST_BASENAME|REQUEST_FILENAME "@rx \.(?:bak|env)$" "id:28,phase:1,pass,log,t:lowercase"
SecRule ARGS "@ge 3" "id:29,phase:2,pass,log,t:length,ctl:ruleRemoveTargetById=30;ARGS:a"
SecRule ARGS "@within |union|select|" "id:30,phase:2,pass,log"
SecRule TX:score "@ge 3" "id:40,phase:2,deny,status:403,log"
"#;

/// The work that a transaction may do in [`Sets::tight`].
const WORK_LIMIT_BYTES: u64 = 2000;

/// The same rules three times.
pub struct Sets {
    /// As they are used.
    pub gated: Arc<RuleSet>,
    /// Every rule sees every value: what the gates are compared with.
    pub naive: Arc<RuleSet>,
    /// With so little work allowed that it is reached.
    pub tight: Arc<RuleSet>,
}

impl Sets {
    pub fn compile() -> Self {
        let compile = |gates, work_limit_bytes| {
            let options = CompileOptions {
                gates,
                work_limit_bytes,
                ..CompileOptions::default()
            };
            let document = seclang::parse_str("fuzz.conf", RULES).expect("the rules parse");
            Arc::new(RuleSet::compile(&[document], &options).expect("the rules compile"))
        };
        let ample = CompileOptions::default().work_limit_bytes;
        Self {
            gated: compile(true, ample),
            naive: compile(false, ample),
            tight: compile(true, WORK_LIMIT_BYTES),
        }
    }

    /// Runs the request on all three. The gates change nothing, cold or warm, and only the tight set fails.
    pub fn compare(&self, request: &Request<'_>, scratch: &mut Scratch) {
        let expected = request.run(&self.naive, scratch);
        for temperature in ["cold", "warm"] {
            assert_eq!(request.run(&self.gated, scratch), expected, "{temperature}");
        }
        assert!(!matches!(expected.0, Intervention::Fail(_)));
        let (intervention, _) = request.run(&self.tight, scratch);
        if let Intervention::Fail(error) = intervention {
            assert_eq!(error, EngineError::WorkLimit);
        }
    }
}

/// A request as a proxy would feed it.
pub struct Request<'a> {
    pub method: &'a [u8],
    pub target: &'a [u8],
    pub protocol: &'a [u8],
    pub headers: Vec<(&'a [u8], &'a [u8])>,
    pub body: &'a [u8],
    /// Bytes of body that come at once.
    pub piece: usize,
}

impl Request<'_> {
    pub fn run(
        &self,
        rules: &Arc<RuleSet>,
        scratch: &mut Scratch,
    ) -> (Intervention, Vec<RuleMatch>) {
        let connection = Connection {
            client: ([192, 0, 2, 1], 40_000).into(),
            server: ([192, 0, 2, 80], 80).into(),
            time: SystemTime::UNIX_EPOCH,
            unique_id: "1",
        };
        let mut transaction = Transaction::new(Arc::clone(rules), &connection, Mode::Block);
        self.feed(&mut transaction, scratch);
        let limit = transaction.request_body_limit();
        assert!(limit <= 134_217_728);
        let record = transaction.finish(scratch);
        if let Some(record) = record {
            serde_json::to_string(&record).expect("a record is written");
        }
        (
            transaction.intervention().clone(),
            transaction.matches().to_vec(),
        )
    }

    fn feed(&self, transaction: &mut Transaction, scratch: &mut Scratch) {
        transaction.request_line(self.method, self.target, self.protocol);
        for (name, value) in &self.headers {
            transaction.request_header(name, value);
        }
        if !transaction.process_request_headers(scratch).is_none() {
            return;
        }
        if transaction.wants_request_body() {
            for piece in self.body.chunks(self.piece.max(1)) {
                if !transaction.request_body(piece).is_none() {
                    return;
                }
            }
        }
        transaction.process_request_body(scratch);
    }
}
