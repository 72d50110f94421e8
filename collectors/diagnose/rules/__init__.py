"""What may be wrong, one mechanism a rule: each looks at a scene and names whom it suspects, with the figures that say so. None knows of another."""
