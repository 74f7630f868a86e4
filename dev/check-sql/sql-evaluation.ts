import { compileFunction } from 'node:vm';
import ts from 'typescript';

/** The expression depends on a parameter or another value that is known only at run time. */
export class NotConstantError extends Error {
  override readonly name = 'NotConstantError';
}

/**
 * Evaluates expressions that consist of module constants and pure functions over them, such as SQL with lists of
 * statuses. It follows imports, and refuses every expression that depends on a parameter or a local variable.
 */
export class ConstantEvaluator {
  private readonly values = new Map<ts.Symbol, unknown>();

  constructor(private readonly checker: ts.TypeChecker) {}

  /** @throws NotConstantError */
  evaluate(expression: ts.Node): unknown {
    const names = this.freeNames(expression);
    const text = expression.getText().replace(/^export /, '');
    const source = ts.transpileModule(`const value = (${text});`, {
      compilerOptions: { target: ts.ScriptTarget.ESNext, module: ts.ModuleKind.ESNext },
    });
    const run = compileFunction(`${source.outputText}\nreturn value;`, [...names.keys()]) as (
      ...values: unknown[]
    ) => unknown;
    return run(...names.values());
  }

  /** Names that the expression does not declare itself, with their values, except for JavaScript's own globals. */
  private freeNames(expression: ts.Node): Map<string, unknown> {
    const names = new Map<string, unknown>();
    const visit = (node: ts.Node): void => {
      if (ts.isTypeNode(node)) return;
      if (ts.isIdentifier(node) && isReference(node)) {
        const symbol = this.symbolOf(node);
        const declaration = symbol?.declarations?.[0];
        if (symbol === undefined || declaration === undefined) return;
        const isOwn =
          declaration.getSourceFile() === expression.getSourceFile() && contains(expression, declaration);
        if (!isOwn && !declaration.getSourceFile().isDeclarationFile) {
          names.set(node.text, this.valueOf(symbol, declaration, node.text));
        }
      }
      ts.forEachChild(node, visit);
    };
    visit(expression);
    return names;
  }

  private symbolOf(node: ts.Identifier): ts.Symbol | undefined {
    const symbol = ts.isShorthandPropertyAssignment(node.parent)
      ? this.checker.getShorthandAssignmentValueSymbol(node.parent)
      : this.checker.getSymbolAtLocation(node);
    return symbol && symbol.flags & ts.SymbolFlags.Alias ? this.checker.getAliasedSymbol(symbol) : symbol;
  }

  private valueOf(symbol: ts.Symbol, declaration: ts.Declaration, name: string): unknown {
    if (this.values.has(symbol)) return this.values.get(symbol);
    const source = constantSource(declaration);
    if (source === null) throw new NotConstantError(`"${name}" is only known at run time`);
    const value = this.evaluate(source);
    this.values.set(symbol, value);
    return value;
  }
}

/** The expression behind a module's constant or function; `null` for everything else. */
function constantSource(declaration: ts.Declaration): ts.Node | null {
  if (ts.isFunctionDeclaration(declaration)) return declaration;
  if (!ts.isVariableDeclaration(declaration) || declaration.initializer === undefined) return null;
  const list = declaration.parent;
  const isOfModule = ts.isVariableDeclarationList(list) && ts.isSourceFile(list.parent.parent);
  return isOfModule && (list.flags & ts.NodeFlags.Const) !== 0 ? declaration.initializer : null;
}

/** Whether the identifier refers to a value, and is not the name of a member. */
function isReference(node: ts.Identifier): boolean {
  const { parent } = node;
  if (ts.isPropertyAccessExpression(parent)) return parent.name !== node;
  if (ts.isPropertyAssignment(parent) || ts.isMethodDeclaration(parent)) return parent.name !== node;
  if (ts.isBindingElement(parent)) return parent.propertyName !== node;
  return true;
}

function contains(outer: ts.Node, inner: ts.Node): boolean {
  return inner.pos >= outer.pos && inner.end <= outer.end;
}
