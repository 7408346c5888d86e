import type { ComponentChildren } from 'preact';

interface TabsProps<Id extends string> {
  readonly tabs: readonly { readonly id: Id; readonly name: string }[];
  readonly selected: Id;
  readonly onSelect: (id: Id) => void;
  readonly children: ComponentChildren;
}

export function Tabs<Id extends string>({ tabs, selected, onSelect, children }: TabsProps<Id>) {
  const move = (event: KeyboardEvent) => {
    const step = event.key === 'ArrowRight' ? 1 : event.key === 'ArrowLeft' ? -1 : 0;
    if (step === 0) return;
    const at = tabs.findIndex(({ id }) => id === selected);
    const to = tabs[(at + step + tabs.length) % tabs.length]!;
    onSelect(to.id);
    document.getElementById(`tab-${to.id}`)?.focus();
  };
  return (
    <section class="tabs">
      <div role="tablist" onKeyDown={move}>
        {tabs.map(({ id, name }) => (
          <button
            key={id}
            id={`tab-${id}`}
            type="button"
            role="tab"
            aria-selected={id === selected}
            tabIndex={id === selected ? 0 : -1}
            onClick={() => onSelect(id)}
          >
            {name}
          </button>
        ))}
      </div>
      <div role="tabpanel" aria-labelledby={`tab-${selected}`}>
        {children}
      </div>
    </section>
  );
}
