//! Sums of columns that a condition compares with a number.

use sqlparser::keywords::Keyword;
use sqlparser::tokenizer::Token;

use super::{Parser, SqlError};
use crate::asset::Value;
use crate::program::{Filter, Literals, Op, Score, col};

impl Parser {
    /// Whether a sum over columns begins here, and not a column or a literal that is compared.
    pub(super) fn is_score(&self) -> bool {
        let arithmetic = |at| matches!(self.tokens.peek_at(at), Token::Plus | Token::Minus | Token::Mul | Token::Div);
        let signs = usize::from(matches!(self.tokens.peek(), Token::Plus | Token::Minus));
        match self.tokens.peek_at(signs) {
            _ if self.tokens.keyword_at(signs) == Keyword::CASE => true,
            Token::Number(..) => arithmetic(signs + 1),
            Token::Word(_) if signs == 1 => true,
            Token::Word(_) => self.is_name() && arithmetic(1),
            _ => false,
        }
    }

    /// `2 * age + 0.5 * bmi - 3 >= 90`.
    pub(super) fn scored(&mut self) -> Result<Filter, SqlError> {
        let mut score = Score::from(0);
        let mut first = true;
        loop {
            let mut negative = false;
            match self.tokens.peek() {
                // The first number has its own sign.
                _ if first && matches!(self.tokens.peek_at(1), Token::Number(..)) => {}
                Token::Plus | Token::Minus => {
                    negative = *self.tokens.peek() == Token::Minus;
                    self.tokens.advance();
                }
                _ if first => {}
                _ => break,
            }
            first = false;
            let term = self.term()?;
            score = if negative { score - term } else { score + term };
        }
        let op = self.comparison().ok_or_else(|| self.tokens.unexpected("+, - or a comparison with a number"))?;
        let at = self.tokens.position();
        if self.is_secret() {
            return Err(self.tokens.unsupported("hidden bounds of sums", "write the number: scores are in the clear"));
        }
        match (op, self.literal()?) {
            (_, Literals::Clear(values)) if matches!(values[..], [Value::Integer(_) | Value::Decimal { .. }]) => {
                if matches!(self.tokens.peek(), Token::Plus | Token::Minus | Token::Mul | Token::Div) {
                    return Err(self.tokens.unsupported("arithmetic on the right side", "compare with one number"));
                }
                let compared = |op| score.clone().compared(op, values[0].clone());
                Ok(match op {
                    Op::Eq => compared(Op::Ge) & compared(Op::Le),
                    Op::Ne => !(compared(Op::Ge) & compared(Op::Le)),
                    op => compared(op),
                })
            }
            _ => {
                let (what, instead) =
                    ("comparisons of a sum with a text or a boolean".into(), "compare it with a number");
                Err(SqlError::Unsupported { at, what, instead })
            }
        }
    }

    /// `2 * age`, `age * 2`, `age`, `CASE plan WHEN 'free' THEN 5 WHEN 'paid' THEN 2 END`, or a number.
    fn term(&mut self) -> Result<Score, SqlError> {
        const FACTOR: &str = "a number, as a column's factor";
        if self.tokens.take_keyword(Keyword::CASE) {
            return self.points();
        }
        if let Token::Number(..) | Token::Plus | Token::Minus = self.tokens.peek() {
            let weight = self.value()?.ok_or_else(|| self.tokens.unexpected("a number or a column"))?;
            if !self.tokens.take(&Token::Mul) {
                return Ok(weight.into());
            }
            return Ok(col(self.tokens.name("a column behind its factor")?).times(weight).into());
        }
        let column = col(self.tokens.name("a column, with or without a factor")?);
        if *self.tokens.peek() == Token::Div {
            return Err(self.tokens.unsupported("division of columns", "multiply them: 0.5 * age"));
        }
        if !self.tokens.take(&Token::Mul) {
            return Ok(column.times(1).into());
        }
        match (self.tokens.peek().clone(), self.value()?) {
            (Token::Number(..) | Token::Plus | Token::Minus, Some(weight)) => Ok(column.times(weight).into()),
            _ => Err(self.tokens.unexpected(FACTOR)),
        }
    }

    /// What stands behind CASE.
    fn points(&mut self) -> Result<Score, SqlError> {
        if self.tokens.keyword_at(0) == Keyword::WHEN {
            let instead = "write CASE column WHEN 'value' THEN 1 WHEN 'other' THEN 0 END";
            return Err(self.tokens.unsupported("CASE with conditions", instead));
        }
        let column = col(self.tokens.name("a column")?);
        let mut each = Vec::new();
        while self.tokens.take_keyword(Keyword::WHEN) {
            let value = self.value()?.ok_or_else(|| self.tokens.unexpected("a number, a 'text', TRUE or FALSE"))?;
            self.tokens.expect_keyword(Keyword::THEN, "THEN")?;
            let points = match self.tokens.peek() {
                Token::Number(..) | Token::Plus | Token::Minus => self.value()?,
                _ => None,
            };
            each.push((value, points.ok_or_else(|| self.tokens.unexpected("a number"))?));
        }
        if self.tokens.keyword_at(0) == Keyword::ELSE {
            let instead = "name every value that scores: of others, and of nulls, nothing is known";
            return Err(self.tokens.unsupported("ELSE", instead));
        }
        self.tokens.expect_keyword(Keyword::END, "WHEN or END")?;
        Ok(column.points(each).into())
    }
}
