//! A text as words, numbers and signs, and what to say of those that a query has no use for.

use std::any::TypeId;

use sqlparser::dialect::Dialect;
use sqlparser::keywords::Keyword;
use sqlparser::tokenizer::{Location, Token, TokenWithSpan, Tokenizer};

use super::{MAX_SQL_BYTES, SqlError, SqlPosition};

/// How much of a word a message quotes, in characters.
const MAX_QUOTED: usize = 40;

/// Standard SQL's quotes: `'text'` and `"name"`, each doubled inside itself. Names have letters of any script.
#[derive(Debug)]
struct Standard;

impl Dialect for Standard {
    fn dialect(&self) -> TypeId {
        TypeId::of::<Self>()
    }

    fn is_identifier_start(&self, ch: char) -> bool {
        ch.is_alphabetic() || ch == '_'
    }

    fn is_identifier_part(&self, ch: char) -> bool {
        ch.is_alphanumeric() || ch == '_'
    }

    fn is_delimited_identifier_start(&self, ch: char) -> bool {
        ch == '"'
    }

    fn supports_nested_comments(&self) -> bool {
        true
    }
}

impl From<Location> for SqlPosition {
    fn from(at: Location) -> Self {
        SqlPosition { line: at.line, column: at.column }
    }
}

/// The text from the next word on, without blanks and comments.
pub(super) struct Tokens {
    tokens: Vec<TokenWithSpan>,
    next: usize,
    end: SqlPosition,
}

impl Tokens {
    pub(super) fn new(text: &str) -> Result<Self, SqlError> {
        if text.len() > MAX_SQL_BYTES {
            return Err(SqlError::TooLong { got: text.len() });
        }
        // Its own message may quote a secret.
        let tokens = Tokenizer::new(&Standard, text).tokenize_with_location().map_err(|e| SqlError::Syntax {
            at: e.location.into(),
            expected: "a text, a name or a comment that ends, or a number",
            found: "something else".into(),
        })?;
        let end = tokens.last().map_or(SqlPosition { line: 1, column: 1 }, |last| last.span.end.into());
        let tokens = tokens.into_iter().filter(|t| !matches!(t.token, Token::Whitespace(_))).collect();
        Ok(Self { tokens, next: 0, end })
    }

    /// The token `ahead` of the next one; the end of the text has itself behind it.
    pub(super) fn peek_at(&self, ahead: usize) -> &Token {
        self.tokens.get(self.next + ahead).map_or(&Token::EOF, |t| &t.token)
    }

    pub(super) fn peek(&self) -> &Token {
        self.peek_at(0)
    }

    /// Where the next token begins.
    pub(super) fn position(&self) -> SqlPosition {
        self.tokens.get(self.next).map_or(self.end, |t| t.span.start.into())
    }

    pub(super) fn advance(&mut self) {
        self.next += 1;
    }

    /// Steps over `token` if it is next.
    pub(super) fn take(&mut self, token: &Token) -> bool {
        let is_next = self.peek() == token;
        self.next += usize::from(is_next);
        is_next
    }

    pub(super) fn keyword_at(&self, ahead: usize) -> Keyword {
        keyword(self.peek_at(ahead))
    }

    /// Steps over `keyword` if it is next.
    pub(super) fn take_keyword(&mut self, keyword: Keyword) -> bool {
        let is_next = self.keyword_at(0) == keyword;
        self.next += usize::from(is_next);
        is_next
    }

    pub(super) fn expect(&mut self, token: &Token, expected: &'static str) -> Result<(), SqlError> {
        if self.take(token) { Ok(()) } else { Err(self.unexpected(expected)) }
    }

    pub(super) fn expect_keyword(&mut self, keyword: Keyword, expected: &'static str) -> Result<(), SqlError> {
        if self.take_keyword(keyword) { Ok(()) } else { Err(self.unexpected(expected)) }
    }

    /// The unquoted word that stands next before an opening parenthesis: the name of a function.
    pub(super) fn function(&self) -> Option<&str> {
        match (self.peek(), self.peek_at(1)) {
            (Token::Word(word), Token::LParen) if word.quote_style.is_none() && !is_reserved(word.keyword) => {
                Some(&word.value)
            }
            _ => None,
        }
    }

    /// Steps over a name of a column or of a table.
    pub(super) fn name(&mut self, expected: &'static str) -> Result<String, SqlError> {
        if let Some(function) = self.function() {
            let what = format!("function {}()", shortened(function));
            let instead = "SELECT has count(*), sum(), avg(), var_samp(), var_pop(), stddev_samp(), stddev_pop(), histogram(), \
                           min(), max(), median(), quantile(column, rank); WHERE has SECRET(literal)";
            return Err(self.unsupported(what, instead));
        }
        let name = match self.peek() {
            Token::Word(word) if word.quote_style.is_some() || !is_reserved(word.keyword) => word.value.clone(),
            _ => return Err(self.unexpected(expected)),
        };
        if *self.peek_at(1) == Token::Period {
            let instead =
                "write the column, or the table, by itself; a name with a point in it stands in \"double quotes\"";
            return Err(self.unsupported("names with a qualifier", instead));
        }
        self.advance();
        Ok(name)
    }

    pub(super) fn unsupported(&self, what: impl Into<String>, instead: &'static str) -> SqlError {
        SqlError::Unsupported { at: self.position(), what: what.into(), instead }
    }

    /// The next token is not `expected`.
    pub(super) fn unexpected(&self, expected: &'static str) -> SqlError {
        match elsewhere(self.peek()) {
            Some((what, instead)) => self.unsupported(what, instead),
            None => SqlError::Syntax { at: self.position(), expected, found: described(self.peek()) },
        }
    }

    /// The same, between the parentheses of a secret: nothing of it is shown.
    pub(super) fn unexpected_in_secret(&self) -> SqlError {
        let expected = "SECRET(literal), or SECRET(literal, literal) behind IN: numbers, texts, TRUE or FALSE";
        let found = match self.peek() {
            Token::EOF => "the end of the query",
            _ => "something else between the parentheses",
        };
        SqlError::Syntax { at: self.position(), expected, found: found.into() }
    }
}

fn keyword(token: &Token) -> Keyword {
    match token {
        Token::Word(word) => word.keyword,
        _ => Keyword::NoKeyword,
    }
}

pub(super) fn shortened(word: &str) -> String {
    let mut out: String = word.chars().take(MAX_QUOTED).collect();
    if out.len() < word.len() {
        out.push('…');
    }
    out
}

/// A token in words, without a literal.
fn described(token: &Token) -> String {
    match token {
        Token::EOF => "the end of the query".into(),
        Token::Word(word) => match word.quote_style {
            None => shortened(&word.value),
            Some(_) => format!("the name {}", shortened(&format!("{:?}", word.value))),
        },
        Token::Number(..) => "a number".into(),
        Token::SingleQuotedString(_) => "a text".into(),
        Token::LParen | Token::RParen | Token::Comma | Token::Period | Token::SemiColon => token.to_string(),
        Token::Eq | Token::Neq | Token::Lt | Token::LtEq | Token::Gt | Token::GtEq => token.to_string(),
        _ => "a sign that it does not have".into(),
    }
}

/// Whether a name of this word needs quotes.
pub(super) fn is_reserved(keyword: Keyword) -> bool {
    use Keyword::*;
    matches!(keyword, SELECT | FROM | WHERE | GROUP | BY | AND | OR | NOT | IN | IS | BETWEEN | NULL | TRUE | FALSE)
        || elsewhere_by_keyword(keyword).is_some()
}

/// What a token is called that SQL has and queries here do not, and what to do instead.
fn elsewhere(token: &Token) -> Option<(&'static str, &'static str)> {
    match token {
        Token::Plus | Token::Minus | Token::Mul | Token::Div | Token::Mod | Token::Caret | Token::StringConcat => Some(
            ("arithmetic here", "calculate with aggregates in SELECT, 2 * sum(a) - sum(b); compare a column itself"),
        ),
        Token::DoubleColon => Some(("casts", "write the literal in the column's type")),
        Token::DoubleEq => Some(("==", "write =")),
        Token::Spaceship => Some(("<=>", "write = or IS NULL")),
        Token::Placeholder(_) => Some(("placeholders", "write the literal; SECRET(literal) hides it")),
        Token::Tilde | Token::ExclamationMarkTilde => PATTERNS,
        other => elsewhere_by_keyword(keyword(other)),
    }
}

const PATTERNS: Option<(&str, &str)> = Some(("patterns", "list the categories that match: column IN ('a', 'b')"));

fn elsewhere_by_keyword(keyword: Keyword) -> Option<(&'static str, &'static str)> {
    use Keyword::*;
    match keyword {
        JOIN | INNER | LEFT | RIGHT | FULL | CROSS | NATURAL | LATERAL | ON | USING => {
            Some(("joins", "a query reads one asset; its owner can publish the joined table"))
        }
        HAVING => Some(("HAVING", "open the answer, and filter there")),
        ORDER => Some(("ORDER BY", "open the answer, and sort there")),
        LIMIT | OFFSET | FETCH => Some(("LIMIT, OFFSET or FETCH", "open the answer, and take rows there")),
        DISTINCT => Some(("DISTINCT", "GROUP BY the column with count(*)")),
        UNION | INTERSECT | EXCEPT => Some(("set operations", "ask one query each")),
        WITH => Some(("WITH", "write one SELECT")),
        EXISTS => Some(("subqueries", "write one SELECT")),
        CASE | WHEN | THEN | ELSE | END => Some(("CASE", "ask one query each, or GROUP BY the column")),
        CAST => Some(("casts", "write the literal in the column's type")),
        LIKE | ILIKE | SIMILAR | RLIKE | REGEXP | ESCAPE => PATTERNS,
        AS => Some(("aliases here", "aggregates take one: sum(column) AS total")),
        OVER | WINDOW | QUALIFY | PARTITION => Some(("window functions", "GROUP BY the column")),
        FILTER => Some(("FILTER", "put the condition into WHERE")),
        INTERVAL => Some(DATES),
        INSERT | UPDATE | DELETE | CREATE | DROP | ALTER => {
            Some(("statements that write", "a query begins with SELECT"))
        }
        _ => None,
    }
}

/// What to say of dates and times.
pub(super) const DATES: (&str, &str) =
    ("dates and times", "no column holds them: compare with the whole number that the owner turned them into");
