//! Queries as SQL.
//!
//! `sqlparser` cuts the text into words; the grammar is here, as it is small: a text of any size and depth is read in one
//! pass over its words, and whatever is refused has its place in the text.

mod error;
mod scores;
#[cfg(test)]
mod tests;
mod tokens;
mod write;

use sqlparser::keywords::Keyword;
use sqlparser::tokenizer::Token;

pub use error::{SqlError, SqlPosition};
use tokens::{DATES, Tokens, shortened};

use super::{
    Aggregate, Expr, Filter, Literals, Op, Output, Query, col, count, histogram, max, mean, median, min, quantile,
    stddev, stddev_pop, sum, var_pop, variance,
};
use crate::asset::Value;

/// Longest text that [`Query::from_sql`] reads, in bytes.
pub const MAX_SQL_BYTES: usize = 64 * 1024;
/// How deep parentheses may lie in each other. Those that join nothing add no depth to the filter.
const MAX_PARENTHESES: usize = 64;
/// What can be selected.
const SELECTABLE: &str = "count(*), sum(column), avg(column) or another aggregate, or a column of GROUP BY";

impl Query {
    /// The query that a SELECT writes, the same as the one made by [`Query::select`], [`Query::filter`] and
    /// [`Query::group_by`], with the same digest.
    ///
    /// ```
    /// use sealock::program::{Query, col, count, mean, secret};
    ///
    /// let query = Query::from_sql(
    ///     "SELECT health, avg(visits), count(*) FROM asset
    ///      WHERE age >= SECRET(40) AND plan IN (SECRET('free', '25%')) GROUP BY health",
    /// )?;
    /// let built = Query::select([mean("visits"), count()])
    ///     .filter(col("age").ge(secret(40)) & col("plan").is_in(secret(["free", "25%"])))
    ///     .group_by(["health"]);
    /// assert_eq!(query, built);
    /// # Ok::<(), sealock::program::SqlError>(())
    /// ```
    ///
    /// - **SELECT** columns of GROUP BY, and aggregates: `count(*)`; `sum`, `avg` (or `mean`), `var_samp` (or `variance`),
    ///   `var_pop`, `stddev_samp` (or `stddev`), `stddev_pop` of a measure; `histogram`, `min`, `max`, `median` and
    ///   `quantile(column, 0.9)` of a dimension. Numbers of aggregates go together by `+ - * /` and parentheses, see
    ///   [`Expr`]; `AS` gives them a name. Whichever columns are selected, and in whatever order, the answer has those of
    ///   GROUP BY first and the others behind.
    /// - **FROM** any one name. Which asset is asked, the order says.
    /// - **WHERE** joins comparisons by AND, OR, NOT and parentheses. A column compares with a literal, on either side, by
    ///   `=`, `<>`, `!=`, `<`, `<=`, `>`, `>=`, `[NOT] BETWEEN`, `[NOT] IN` and `IS [NOT] NULL`; a boolean column also stands
    ///   alone. Literals are numbers, `'texts'`, TRUE and FALSE. As in SQL, what compares with null holds neither as it is nor
    ///   negated.
    ///   So does a sum of columns with factors and numbers: `2 * age + 0.5 * bmi - CASE plan WHEN 'free' THEN 5 WHEN 'paid'
    ///   THEN 0 END >= 90`, with a number on the right, see [`Score`](super::Score).
    /// - **`SECRET(literal)`** hides a literal. `IN (SECRET('a', 'b'))` and `IN (SECRET('a'), SECRET('b'))` are the same, and
    ///   hide how many there are. `IN ('a', SECRET('b'))` is `IN ('a') OR IN (SECRET('b'))`: the owner sees `'a'`.
    /// - **GROUP BY** columns.
    ///
    /// Names are taken as they are written, lower and upper case apart; `"in quotes"` they have any characters. Keywords,
    /// functions and SECRET have no case. Comments and a semicolon at the end are fine.
    ///
    /// # Errors
    /// [`SqlError::Unsupported`] for SQL that no program expresses, [`SqlError::TooLong`], and others for what is no query.
    /// Whether the query fits an asset, [`Program::plan`](super::Program::plan) finds.
    pub fn from_sql(text: &str) -> Result<Self, SqlError> {
        Parser { tokens: Tokens::new(text)?, depth: 0 }.query()
    }
}

impl Output {
    /// The column that an item of SELECT writes: `100 * sum(a) / sum(b) AS rate`.
    ///
    /// # Errors
    /// As [`Query::from_sql`]; a column of GROUP BY is refused.
    pub fn from_sql(text: &str) -> Result<Self, SqlError> {
        let mut parser = Parser { tokens: Tokens::new(text)?, depth: 0 };
        match parser.item()? {
            Item::Column(at, column) => Err(SqlError::NotGrouped { at, column: shortened(&column) }),
            Item::Output(_) if *parser.tokens.peek() != Token::EOF => Err(parser.tokens.unexpected("the end")),
            Item::Output(output) => Ok(output),
        }
    }
}

struct Parser {
    tokens: Tokens,
    depth: usize,
}

/// What SELECT names.
enum Item {
    Output(Output),
    Column(SqlPosition, String),
}

impl Parser {
    fn query(mut self) -> Result<Query, SqlError> {
        let start = self.tokens.position();
        self.tokens.expect_keyword(Keyword::SELECT, "SELECT")?;
        let (mut outputs, mut columns) = (Vec::new(), Vec::new());
        for item in self.list(Self::item)? {
            match item {
                Item::Output(output) => outputs.push(output),
                Item::Column(at, column) => columns.push((at, column)),
            }
        }
        self.from()?;
        let filter = if self.tokens.take_keyword(Keyword::WHERE) { Some(self.any_of()?) } else { None };
        let mut group_by = Vec::new();
        if self.tokens.take_keyword(Keyword::GROUP) {
            self.tokens.expect_keyword(Keyword::BY, "BY")?;
            group_by = self.list(Self::group)?;
        }
        self.end(filter.is_some(), !group_by.is_empty())?;
        if let Some((at, column)) = columns.into_iter().find(|(_, column)| !group_by.contains(column)) {
            return Err(SqlError::NotGrouped { at, column: shortened(&column) });
        }
        if outputs.is_empty() {
            let (what, instead) = ("SELECT without an aggregate".into(), "add count(*), sum(column) or avg(column)");
            return Err(SqlError::Unsupported { at: start, what, instead });
        }
        let query = Query::select(outputs).group_by(group_by);
        let query = filter.into_iter().fold(query, Query::filter);
        query.program().filter().map_or(Ok(()), |filter| filter.check_size())?;
        query.check_outputs()?;
        Ok(query)
    }

    fn list<T>(&mut self, item: impl Fn(&mut Self) -> Result<T, SqlError>) -> Result<Vec<T>, SqlError> {
        let mut items = vec![item(self)?];
        while self.tokens.take(&Token::Comma) {
            items.push(item(self)?);
        }
        Ok(items)
    }

    fn item(&mut self) -> Result<Item, SqlError> {
        let at = self.tokens.position();
        match self.tokens.peek() {
            Token::Mul => {
                return Err(self.tokens.unsupported("SELECT *", "name the aggregates and the columns of GROUP BY"));
            }
            Token::SingleQuotedString(_) => return Err(self.tokens.unsupported("literals in SELECT", SELECTABLE)),
            Token::Word(_) if self.tokens.function().is_none() => {
                return self.tokens.name(SELECTABLE).map(|column| Item::Column(at, column));
            }
            _ => {}
        }
        let expr = self.sum()?;
        if expr.aggregates().is_empty() {
            let what = "literals in SELECT".into();
            return Err(SqlError::Unsupported { at, what, instead: SELECTABLE });
        }
        let renamed = self.tokens.take_keyword(Keyword::AS) || self.is_name();
        let output = if renamed { expr.alias(self.tokens.name("a name")?) } else { expr.into() };
        Ok(Item::Output(output))
    }

    fn sum(&mut self) -> Result<Expr, SqlError> {
        let mut expr = self.product()?;
        loop {
            if self.tokens.take(&Token::Plus) {
                expr = expr + self.product()?;
            } else if self.tokens.take(&Token::Minus) {
                expr = expr - self.product()?;
            } else {
                return Ok(expr);
            }
        }
    }

    fn product(&mut self) -> Result<Expr, SqlError> {
        let mut expr = self.signed()?;
        loop {
            if self.tokens.take(&Token::Mul) {
                expr = expr * self.signed()?;
            } else if self.tokens.take(&Token::Div) {
                expr = expr / self.signed()?;
            } else {
                return Ok(expr);
            }
        }
    }

    fn signed(&mut self) -> Result<Expr, SqlError> {
        let mut negated = false;
        loop {
            match self.tokens.peek() {
                // The sign of a literal is its own.
                Token::Minus | Token::Plus if !matches!(self.tokens.peek_at(1), Token::Number(..)) => {
                    negated ^= *self.tokens.peek() == Token::Minus;
                    self.tokens.advance();
                }
                _ => break,
            }
        }
        let expr = self.operand()?;
        Ok(if negated { -expr } else { expr })
    }

    fn operand(&mut self) -> Result<Expr, SqlError> {
        if *self.tokens.peek() == Token::LParen {
            self.open()?;
            let expr = self.sum()?;
            self.close(")")?;
            return Ok(expr);
        }
        if let Token::Number(..) | Token::Minus | Token::Plus = self.tokens.peek()
            && let Some(value) = self.value()?
        {
            return Ok(value.into());
        }
        Ok(self.aggregate()?.into())
    }

    fn aggregate(&mut self) -> Result<Aggregate, SqlError> {
        let of: fn(String) -> Aggregate = match self.tokens.function().map(str::to_ascii_lowercase).as_deref() {
            Some("count") => return self.count(),
            Some("quantile") => return self.quantile(),
            Some("sum") => sum,
            Some("avg" | "mean") => mean,
            Some("var_samp" | "variance") => variance,
            Some("var_pop") => var_pop,
            Some("stddev_samp" | "stddev") => stddev,
            Some("stddev_pop") => stddev_pop,
            Some("histogram") => histogram,
            Some("min") => min,
            Some("max") => max,
            Some("median") => median,
            _ if self.is_name() => {
                let instead = "calculate with aggregates: 2 * sum(a) - sum(b)";
                return Err(self.tokens.unsupported("arithmetic on columns", instead));
            }
            // No name: a function that is none of these, a keyword or a sign.
            _ => return self.tokens.name(SELECTABLE).and_then(|_| Err(self.tokens.unexpected(SELECTABLE))),
        };
        self.tokens.advance();
        self.tokens.advance();
        let column = self.tokens.name("a column")?;
        self.tokens.expect(&Token::RParen, ")")?;
        Ok(of(column))
    }

    /// `quantile(column, 0.9)`.
    fn quantile(&mut self) -> Result<Aggregate, SqlError> {
        const RANK: &str = "the rank of a quantile, a number from 0 to 1";
        self.tokens.advance();
        self.tokens.advance();
        let column = self.tokens.name("a column")?;
        self.tokens.expect(&Token::Comma, "a comma and the rank of the quantile")?;
        let rank = match self.tokens.peek() {
            Token::Number(digits, false) => digits.parse().ok().filter(|rank| (0.0..=1.0).contains(rank)),
            _ => None,
        };
        let rank: f64 = rank.ok_or_else(|| self.tokens.unexpected(RANK))?;
        self.tokens.advance();
        self.tokens.expect(&Token::RParen, ")")?;
        Ok(quantile(column, rank))
    }

    /// Whether a name is next that is none of a function.
    fn is_name(&self) -> bool {
        let Token::Word(word) = self.tokens.peek() else { return false };
        (word.quote_style.is_some() || !tokens::is_reserved(word.keyword)) && self.tokens.function().is_none()
    }

    /// Steps into parentheses, unless they lie too deep in others.
    fn open(&mut self) -> Result<(), SqlError> {
        if self.depth == MAX_PARENTHESES {
            return Err(SqlError::TooDeep { at: self.tokens.position(), limit: MAX_PARENTHESES });
        }
        self.tokens.advance();
        self.depth += 1;
        self.no_subquery()
    }

    fn close(&mut self, expected: &'static str) -> Result<(), SqlError> {
        self.depth -= 1;
        self.tokens.expect(&Token::RParen, expected)
    }

    fn count(&mut self) -> Result<Aggregate, SqlError> {
        self.tokens.advance();
        self.tokens.advance();
        match self.tokens.peek() {
            Token::Mul => self.tokens.advance(),
            Token::Word(word) if word.keyword != Keyword::DISTINCT => {
                let instead =
                    "count(*) counts rows; add column IS NOT NULL to WHERE to count those where it is not null";
                return Err(self.tokens.unsupported("counts of a column", instead));
            }
            _ => return Err(self.tokens.unexpected("count(*)")),
        }
        self.tokens.expect(&Token::RParen, ")")?;
        Ok(count())
    }

    fn from(&mut self) -> Result<(), SqlError> {
        self.no_alias()?;
        self.tokens.expect_keyword(Keyword::FROM, "a comma or FROM")?;
        if *self.tokens.peek() == Token::LParen {
            return Err(self.tokens.unsupported("subqueries", "FROM has one name, whichever it is"));
        }
        self.tokens.name("the name of a table")?;
        self.no_alias()?;
        if *self.tokens.peek() == Token::Comma {
            return Err(self
                .tokens
                .unsupported("joins", "a query reads one asset; its owner can publish the joined table"));
        }
        Ok(())
    }

    /// A name behind an item of SELECT, or behind the table.
    fn no_alias(&mut self) -> Result<(), SqlError> {
        match self.is_name() {
            true => Err(self.tokens.unsupported("aliases here", "aggregates take one: sum(column) AS total")),
            false => Ok(()),
        }
    }

    fn group(&mut self) -> Result<String, SqlError> {
        if let Token::Number(..) | Token::LParen = self.tokens.peek() {
            return Err(self.tokens.unsupported("positions or sets in GROUP BY", "name the columns"));
        }
        let grouping = matches!(self.tokens.keyword_at(0), Keyword::ROLLUP | Keyword::CUBE | Keyword::GROUPING);
        if grouping && matches!(self.tokens.peek_at(1), Token::LParen | Token::Word(_)) {
            return Err(self.tokens.unsupported("GROUPING SETS, ROLLUP or CUBE", "ask one query for each grouping"));
        }
        self.tokens.name("a column")
    }

    fn end(&mut self, has_filter: bool, has_groups: bool) -> Result<(), SqlError> {
        let ended = self.tokens.take(&Token::SemiColon);
        while self.tokens.take(&Token::SemiColon) {}
        match self.tokens.peek() {
            Token::EOF => Ok(()),
            _ if ended => Err(self.tokens.unsupported("second statement", "ask one query each")),
            _ => Err(self.tokens.unexpected(match (has_filter, has_groups) {
                (_, true) => "a comma or the end",
                (true, false) => "AND, OR, GROUP BY or the end",
                (false, false) => "WHERE, GROUP BY or the end",
            })),
        }
    }

    fn any_of(&mut self) -> Result<Filter, SqlError> {
        let mut filter = self.all_of()?;
        while self.tokens.take_keyword(Keyword::OR) {
            filter = filter | self.all_of()?;
        }
        Ok(filter)
    }

    fn all_of(&mut self) -> Result<Filter, SqlError> {
        let mut filter = self.negation()?;
        while self.tokens.take_keyword(Keyword::AND) {
            filter = filter & self.negation()?;
        }
        Ok(filter)
    }

    fn negation(&mut self) -> Result<Filter, SqlError> {
        let mut negated = false;
        while self.tokens.take_keyword(Keyword::NOT) {
            negated = !negated;
        }
        let filter = self.condition()?;
        Ok(if negated { !filter } else { filter })
    }

    fn condition(&mut self) -> Result<Filter, SqlError> {
        const EXPECTED: &str = "a condition such as age >= 40";
        match self.tokens.peek() {
            Token::LParen => {
                self.open()?;
                let filter = self.any_of()?;
                self.close("AND, OR or )")?;
                Ok(filter)
            }
            _ if self.is_score() => self.scored(),
            _ if self.is_literal() => {
                let literal = self.literal()?;
                let op = self.comparison().ok_or_else(|| self.tokens.unexpected("a comparison with a column"))?;
                if self.is_literal() {
                    return Err(self
                        .tokens
                        .unsupported("comparisons of two literals", "compare a column with a literal"));
                }
                Ok(col(self.tokens.name("a column")?).test(turned(op), literal))
            }
            _ => {
                let column = self.tokens.name(EXPECTED)?;
                self.test(column)
            }
        }
    }

    fn test(&mut self, column: String) -> Result<Filter, SqlError> {
        if let Some(op) = self.comparison() {
            return Ok(col(column).test(op, self.literal()?));
        }
        if self.tokens.take_keyword(Keyword::IS) {
            let negated = self.tokens.take_keyword(Keyword::NOT);
            return match self.tokens.keyword_at(0) {
                Keyword::NULL => {
                    self.tokens.advance();
                    Ok(if negated { col(column).is_not_null() } else { col(column).is_null() })
                }
                Keyword::TRUE | Keyword::FALSE | Keyword::UNKNOWN | Keyword::DISTINCT => {
                    Err(self.tokens.unsupported("IS with anything but NULL", "write = TRUE, = FALSE or IS NULL"))
                }
                _ => Err(self.tokens.unexpected("NULL or NOT NULL")),
            };
        }
        let negated = self.tokens.take_keyword(Keyword::NOT);
        let filter = if self.tokens.take_keyword(Keyword::BETWEEN) {
            let low = self.literal()?;
            self.tokens.expect_keyword(Keyword::AND, "AND and the upper bound of BETWEEN")?;
            let high = self.literal()?;
            col(column.as_str()).test(Op::Ge, low) & col(column).test(Op::Le, high)
        } else if self.tokens.take_keyword(Keyword::IN) {
            self.is_in(&column)?
        } else if negated {
            return Err(self.tokens.unexpected("IN or BETWEEN"));
        } else {
            col(column).eq(true)
        };
        Ok(if negated { !filter } else { filter })
    }

    fn is_in(&mut self, column: &str) -> Result<Filter, SqlError> {
        self.tokens.expect(&Token::LParen, "( and literals")?;
        self.no_subquery()?;
        let (mut clear, mut hidden) = (Vec::new(), Vec::new());
        for literals in self.list(Self::literals)? {
            match literals {
                Literals::Clear(mut values) => clear.append(&mut values),
                Literals::Secret(mut values) => hidden.append(&mut values),
            }
        }
        self.tokens.expect(&Token::RParen, "a comma or )")?;
        let one_of = |literals| col(column).test(Op::In, literals);
        Ok(match (clear.is_empty(), hidden.is_empty()) {
            (_, true) => one_of(Literals::Clear(clear)),
            (true, false) => one_of(Literals::Secret(hidden)),
            (false, false) => one_of(Literals::Clear(clear)) | one_of(Literals::Secret(hidden)),
        })
    }

    fn no_subquery(&self) -> Result<(), SqlError> {
        match self.tokens.keyword_at(0) {
            Keyword::SELECT => Err(self.tokens.unsupported("subqueries", "list the literals, or ask one query each")),
            _ => Ok(()),
        }
    }

    /// Steps over the sign of a comparison, if one is next.
    fn comparison(&mut self) -> Option<Op> {
        let op = match self.tokens.peek() {
            Token::Eq => Op::Eq,
            Token::Neq => Op::Ne,
            Token::Lt => Op::Lt,
            Token::LtEq => Op::Le,
            Token::Gt => Op::Gt,
            Token::GtEq => Op::Ge,
            _ => return None,
        };
        self.tokens.advance();
        Some(op)
    }

    /// Whether a literal begins here, a hidden one or one that is refused included.
    fn is_literal(&self) -> bool {
        match self.tokens.peek() {
            Token::Number(..) | Token::Minus | Token::Plus | Token::SingleQuotedString(_) => true,
            Token::Word(word) => {
                matches!(word.keyword, Keyword::NULL | Keyword::TRUE | Keyword::FALSE)
                    || self.is_date()
                    || self.is_secret()
            }
            _ => false,
        }
    }

    fn is_secret(&self) -> bool {
        self.tokens.function().is_some_and(|name| name.eq_ignore_ascii_case("secret"))
    }

    /// `DATE '2024-12-31'`.
    fn is_date(&self) -> bool {
        matches!(self.tokens.keyword_at(0), Keyword::DATE | Keyword::TIME | Keyword::TIMESTAMP | Keyword::INTERVAL)
            && matches!(self.tokens.peek_at(1), Token::SingleQuotedString(_))
    }

    /// The one literal of a comparison.
    fn literal(&mut self) -> Result<Literals, SqlError> {
        let at = self.tokens.position();
        let literals = self.literals()?;
        match &literals {
            Literals::Secret(values) if values.len() != 1 => {
                let (what, instead) =
                    ("comparisons with several literals at once".into(), "write column IN (SECRET(…))");
                Err(SqlError::Unsupported { at, what, instead })
            }
            _ => Ok(literals),
        }
    }

    /// One clear literal, or what one SECRET hides.
    fn literals(&mut self) -> Result<Literals, SqlError> {
        const EXPECTED: &str = "a number, a 'text', TRUE, FALSE or SECRET(literal)";
        if self.is_secret() {
            self.tokens.advance();
            self.tokens.advance();
            let values = self.list(|p| p.value()?.ok_or_else(|| p.tokens.unexpected_in_secret()))?;
            if !self.tokens.take(&Token::RParen) {
                return Err(self.tokens.unexpected_in_secret());
            }
            return Ok(Literals::Secret(values));
        }
        if let Some(value) = self.value()? {
            return Ok(Literals::Clear(vec![value]));
        }
        if self.is_date() {
            return Err(self.tokens.unsupported(DATES.0, DATES.1));
        }
        match self.tokens.peek() {
            _ if self.tokens.keyword_at(0) == Keyword::NULL => {
                Err(self.tokens.unsupported("comparisons with NULL, which never hold", "write IS NULL"))
            }
            Token::LParen => {
                self.tokens.advance();
                self.no_subquery()?;
                Err(self.tokens.unexpected("a literal without parentheses"))
            }
            Token::Word(word) if word.quote_style.is_some() || !tokens::is_reserved(word.keyword) => {
                let at = self.tokens.position();
                self.tokens.name(EXPECTED)?;
                let what = "comparisons of two columns".into();
                let instead = "compare a column with a literal; a text stands in 'single quotes'";
                Err(SqlError::Unsupported { at, what, instead })
            }
            _ => Err(self.tokens.unexpected(EXPECTED)),
        }
    }

    /// Steps over a value, if one is next.
    fn value(&mut self) -> Result<Option<Value>, SqlError> {
        let at = self.tokens.position();
        let sign = match self.tokens.peek() {
            Token::Minus => "-",
            Token::Plus => "+",
            _ => "",
        };
        let value = match self.tokens.peek_at(sign.len()) {
            Token::Number(digits, false) => number(&format!("{sign}{digits}")).ok_or(SqlError::Number { at })?,
            Token::SingleQuotedString(text) if sign.is_empty() => text.as_str().into(),
            Token::Word(word) if sign.is_empty() && word.keyword == Keyword::TRUE => true.into(),
            Token::Word(word) if sign.is_empty() && word.keyword == Keyword::FALSE => false.into(),
            _ => return Ok(None),
        };
        (0..=sign.len()).for_each(|_| self.tokens.advance());
        Ok(Some(value))
    }
}

/// Digits alone are an integer, as in the other ways to write a query; what has a point or an exponent is a decimal.
fn number(text: &str) -> Option<Value> {
    match text.contains(['.', 'e', 'E']) {
        true => Value::decimal(text),
        false => text.parse::<i64>().ok().map(Value::from),
    }
}

/// The comparison with its sides exchanged.
fn turned(op: Op) -> Op {
    match op {
        Op::Lt => Op::Gt,
        Op::Le => Op::Ge,
        Op::Gt => Op::Lt,
        Op::Ge => Op::Le,
        same => same,
    }
}
